"""What the server of the pages gives a browser, and what it does not."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.evidence.pages.server import make_server


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    reports = tmp_path / "reports"
    (reports / "windows").mkdir(parents=True)
    (reports / "fleet.html").write_text("<p>fleet</p>")
    (reports / "windows" / "evidently.html").write_text("<script>1</script>")
    (reports / ".hidden").write_text("hidden")
    (tmp_path / "ledger.db").write_text("secret")
    (reports / "link.html").symlink_to(tmp_path / "ledger.db")
    (reports / "linked").symlink_to(tmp_path)
    server = make_server(0, reports)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def ask(port: int, path: str, host: str | None = None, method: str = "GET") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host if host is not None else f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def test_a_page_is_sent_and_may_run_nothing(port: int) -> None:
    status, headers, text = ask(port, "/fleet.html")
    assert (status, text) == (200, "<p>fleet</p>")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_drawn_page_runs_its_scripts_in_an_origin_of_its_own_and_without_a_network(port: int) -> None:
    policy = ask(port, "/windows/evidently.html")[1]["Content-Security-Policy"]
    assert "sandbox allow-scripts;" in policy
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy


def test_the_root_leads_to_the_fleet_page(port: int) -> None:
    status, headers, _ = ask(port, "/")
    assert (status, headers["Location"]) == (302, "/fleet.html")


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:80", "", "127.0.0.1", "localhost:1"])
def test_another_name_of_this_machine_is_refused(port: int, host: str) -> None:
    assert ask(port, "/fleet.html", host=host)[0] == 421


@pytest.mark.parametrize(
    "path",
    ["/windows", "/windows/", "/link.html", "/linked/ledger.db", "/.hidden", "/../ledger.db", "/%2e%2e/ledger.db",
     "/windows/..%2f..%2fledger.db", "/absent.html", "/fleet.html%00.png", "//etc/passwd"],
)  # fmt: skip
def test_nothing_but_files_of_the_reports_is_sent(port: int, path: str) -> None:
    status, _, text = ask(port, path)
    assert status == 404
    assert "secret" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_changed(port: int, method: str) -> None:
    assert ask(port, "/fleet.html", method=method)[0] == 501
