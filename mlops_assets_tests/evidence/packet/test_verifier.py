"""What an examiner sees of a packet: whole, changed on its way, hostile, and by an older Python."""

import ast
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_assets.evidence.packet.packet import standalone_verifier
from mlops_assets.evidence.packet.verifier import main, verify
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.policy.policy import Policy
from mlops_assets_tests.evidence.packet.made import OTHER, contents, pack, rechained, resealed, rows_of, sealed
from mlops_assets_tests.governance.world import World


def test_whole(packet: tuple[Path, World, Policy]):
    path, world, _ = packet
    found = verify(path, root=world.keys["root"].public.key_id, head=world.keys["head"].public.key_id)
    assert found["ok"], found["problem"]
    assert found["records"] == len(world.ledger.records())
    assert "2 approvals" in found["summary"]
    assert found["remarks"] == []


def test_an_examiner_needs_only_python(packet: tuple[Path, World, Policy], tmp_path: Path):
    path, world, _ = packet
    (tmp_path / "verify.py").write_bytes(contents(path)["verify.py"])
    command = [sys.executable, "-I", "-S", "verify.py", str(path), "--root", world.keys["root"].public.key_id]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("whole: version 1 of loans")
    damaged = pack(tmp_path / "bad.zip", {**contents(path), "policy.json": b"{}"})
    run = subprocess.run([*command[:4], str(damaged)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "policy.json was changed" in run.stderr
    run = subprocess.run([*command[:4], "no.zip"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2


def test_the_program_in_the_packet_stands_alone():
    assert "mlops_assets." not in standalone_verifier()
    compile(standalone_verifier(), "verify.py", "exec")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.pop("card/card.html"), "card/card.html is missing"),
        (lambda f: f.update({"card/card.html": b"<p>better</p>"}), "card/card.html was changed"),
        (lambda f: f.update({"evidence/extra.json": b"{}"}), "evidence/extra.json was added"),
        (lambda f: f.update({"verify.py": b"print('whole')"}), "verify.py was changed"),
        (lambda f: f.pop("packet.json"), "packet.json is missing"),
        (lambda f: f.update({"packet.json": b"{}"}), "packet.json carries no signature"),
        (lambda f: f.update({"packet.json": b"["}), "packet.json is no JSON"),
        (
            lambda f: f.update({"keys/head.pem": SigningKey.generate().public.pem.encode()}),
            "the signature is not one of the key",
        ),
    ],
)
def test_a_changed_file_is_named(
    packet: tuple[Path, World, Policy], tmp_path: Path, change: Callable[[dict[str, bytes]], object], problem: str
):
    files = contents(packet[0])
    change(files)
    found = verify(pack(tmp_path / "p.zip", files))
    assert not found["ok"]
    assert problem in found["problem"]


def test_garbage_is_no_packet(tmp_path: Path):
    path = tmp_path / "p.zip"
    path.write_bytes(b"PK\x03\x04 nothing")
    assert verify(path)["unreadable"]


def test_issuer_fingerprints_and_date_are_printed(packet: tuple[Path, World, Policy], capsys):
    path, world, _ = packet
    assert main([str(path)]) == 0
    printed = capsys.readouterr().out
    for part in (
        world.keys["head"].public.key_id, f"root key {world.keys['root'].public.key_id}, of root",
        f"state of {iso(world.ledger.records()[-1].recorded_at)}", "records of other models: 1;",
    ):  # fmt: skip
        assert part in printed, part


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 8, 20), (3, 9, 23)])
def test_an_older_python_is_told_which_it_needs(version: tuple[int, ...], monkeypatch, capsys):
    """Nothing before that sentence needs a newer one; the rest only has to be parsed by it."""
    program = standalone_verifier()
    before = [type(step) for step in ast.parse(program, feature_version=(3, 6)).body[:4]]
    assert before == [ast.Expr, ast.Import, ast.Assign, ast.If]
    ast.parse(program, feature_version=(3, 10))
    code = compile(program, "verify.py", "exec")
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit) as stopped:
        exec(code, {"__name__": "__main__"})
    monkeypatch.undo()
    assert stopped.value.code == 2
    found = ".".join(map(str, version[:2]))
    assert capsys.readouterr().err == f"this program needs Python 3.10 or later, found {found}\n"


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("packet.json", DEEP, "nested too deeply"),
        ("packet.json", "9" * 1_000_000, "a number of 1000000 digits"),
        ("packet.json", '{"payload": NaN}', "found NaN"),
        ("packet.json", '["' + "x" * 40_000_000 + '"]', "is JSON of 40000004 bytes, expected at most"),
        ("packet.json", '{"payload": null, "signatures": [{"sig": "AAAA"}]}', "malformed"),
        ("packet.json", '{"payload": "AAAA", "signatures": [5]}', "carries no signature"),
        ("packet.json", '{"payload": "AAAA", "signatures": {"0": 1}}', "carries no signature"),
        ("packet.json", "\ufeff{}", "is no JSON"),
        ("keys/head.pem", "", "no uncompressed P-256|not an uncompressed P-256"),
        ("keys/head.pem", "é", "malformed"),
    ],
)  # fmt: skip
def test_what_no_seal_can_be_is_refused_with_a_sentence(packet, tmp_path: Path, name: str, content: str, problem: str):
    found = verify(pack(tmp_path / "p.zip", {**contents(packet[0]), name: content.encode()}))
    assert re.search(problem, found["problem"]), found["problem"]


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ({"model": 5}, "states no model"),
        ({"version": 1}, "states no version"),
        ({"as_of": {"a": 1}}, "states no as_of"),
        ({"head": None}, "states no head"),
        ({"as_of": "2031-01-01T00:00:00Z"}, "and record 29 is of 2026-01-05"),
        ({"as_of": "soon"}, "malformed"),
        ({"model": OTHER}, "about this model or about the fleet, and its content is withheld"),
        ({"version": "2"}, "no record names it"),
        ({"version": "01"}, "no record names it"),
    ],
)
def test_a_seal_that_states_something_else(packet, tmp_path: Path, says: dict, problem: str):
    files = contents(packet[0])
    found = verify(pack(tmp_path / "p.zip", resealed(files, rows_of(files), packet[1].keys["head"], **says)))
    assert problem in (found["problem"] or "whole")


def line(*values: object) -> bytes:
    return json.dumps(values).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("ledger.jsonl", b"null\n", "line 1 of ledger.jsonl is no record"),
        ("ledger.jsonl", line(), "line 1 of ledger.jsonl is no record"),
        ("ledger.jsonl", line(True, "a", "b"), "line 1 of ledger.jsonl is no record"),
        ("ledger.jsonl", line(1, *[None] * 9), "record 1 holds something else than texts"),
        ("ledger.jsonl", b"\xff\xfe", "malformed"),
        ("ledger.jsonl", b"", "its tail was cut"),
        ("addendum.json", b"[]", "is no addendum"),
        ("addendum.json", b'{"now": {}, "entries": [5]}', "is no addendum"),
        ("addendum.json", DEEP.encode(), "nested too deeply"),
        ("keys/more.pem", b"\xff", "malformed"),
        ("claims/approved.html", b"<h1>approved</h1>", "claims/approved.html is no part of a packet"),
        ("setup.py", b"", "setup.py is no part of a packet"),
        ("card/\u202etxt.exe", b"", "expected plain files with relative names only"),
    ],
)
def test_a_sealed_file_of_another_form(packet, tmp_path: Path, name: str, content: bytes, problem: str):
    changed = sealed({**contents(packet[0]), name: content}, packet[1].keys["head"])
    found = verify(pack(tmp_path / "p.zip", changed))
    assert problem in (found["problem"] or "whole")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (DEEP, "nested too deeply"),
        ("[]", "names no head"),
        ('{"seq": "29", "digest": "a"}', "names no head"),
        ("PK", "is no JSON"),
    ],
)
def test_an_anchor_that_cannot_be_read(packet, tmp_path: Path, content: str, problem: str, capsys):
    (tmp_path / "anchor.json").write_text(content)
    assert main([str(packet[0]), "--anchor", str(tmp_path / "anchor.json")]) == 2
    assert problem in capsys.readouterr().err


def test_an_anchor_is_no_device_and_an_empty_one_is_not_left_out(packet, tmp_path: Path, capsys):
    assert main([str(packet[0]), "--anchor", "/dev/zero"]) == 2
    (tmp_path / "anchor.json").write_text('{"seq": 0, "digest": ""}')
    assert main([str(packet[0]), "--anchor", str(tmp_path / "anchor.json")]) == 1
    assert "record 0 is not the one" in capsys.readouterr().err


def test_a_folder_is_no_packet(tmp_path: Path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "it is no regular file" in capsys.readouterr().err


def test_a_terminal_without_the_signs_of_a_name_gets_an_answer(packet, tmp_path: Path):
    """A bank's Zoë in a console that knows ASCII alone."""
    files = contents(packet[0])
    rows = rows_of(files)
    rows.append([30, "note", "", "Zoë", *rows[-1][4:6], None, "{}", "", ""])
    forged = pack(
        tmp_path / "p.zip", resealed({**files, "card/Zoë.html": b""}, rechained(rows), packet[1].keys["head"])
    )
    (tmp_path / "verify.py").write_text(standalone_verifier(), encoding="utf-8")
    command = [sys.executable, "-I", "-X", "utf8=0", "-S", "verify.py", str(forged)]
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=ascii_only)
    assert run.returncode == 1
    assert run.stderr.startswith("NOT WHOLE: card/Zo\\xeb.html is in the packet")


def test_what_no_record_says_is_named_as_the_issuers_own_words(packet, capsys):
    assert main([str(packet[0])]) == 0
    printed = capsys.readouterr().out
    program = hashlib.sha256(contents(packet[0])["verify.py"]).hexdigest()
    assert (
        f"compared with no record: README.txt; addendum.md; texts in addendum.json; reports/requirements.json; verify.py, SHA-256 {program}"
        in printed
    )
