"""A signer in a process of its own, as another account where the tests run as root: a ledger that is written through it."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_assets.governance.verification import verify_all
from mlops_assets.inspection.versions import artifact_public_key, sign_artifact
from mlops_assets.ledger.anchors import read_anchor
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.events.windows import WindowDue
from mlops_assets.ledger.keys import KeyRefused, SigningKey, new_key
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.ledger.signing.client import RemoteKey, SignerRefused, SignerUnavailable, ask
from mlops_assets.ledger.signing.rules import SEAL
from mlops_assets.ledger.signing.server import Signer, SignerError, answer_one, serve
from mlops_assets.platform import Platform
from mlops_assets.setup import enrol_service, prepare, service_key
from mlops_assets.training.artifact_signature import verify_folder
from mlops_assets_tests.integration.small_project import SNAPSHOT, write_project

ACCOUNT = "nobody"
AS_ACCOUNT = Path(__file__).with_name("as_account.py")
AS_ROOT = os.geteuid() == 0
EVENT = WindowDue.model_validate({"ended": "2026-01-01"})


@dataclass
class Running:
    """A signer's folder and socket, and its process while it runs."""

    folder: Path
    process: subprocess.Popen | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "signer.sock"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def start(self, *more: str, account: str = ACCOUNT) -> None:
        """As another account, if this one may become it; answering when it returns."""
        words = ["signer", "--socket", str(self.socket), "--keys", str(self.keys), "--allow", str(os.getuid()), *more]
        self.process = subprocess.Popen(
            [sys.executable, str(AS_ACCOUNT), account if AS_ROOT else "", *words], stderr=subprocess.PIPE, text=True
        )
        for _ in range(600):
            if self.process.poll() is not None:
                raise AssertionError(self.process.stderr.read() if self.process.stderr else "")
            try:
                ask(self.socket, {"do": "public", "key": "ledger"})
                return
            except SignerUnavailable:
                time.sleep(0.05)
        raise AssertionError("the signer did not answer")

    def end(self, number: int = signal.SIGTERM) -> str:
        """Stop it and give back what it said."""
        assert self.process is not None
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=30)
        self.process = None
        return said


@contextmanager
def folder_of_a_signer() -> Iterator[Running]:
    # pytest's own folders are closed to other accounts.
    folder = Path(tempfile.mkdtemp(prefix="signer-"))
    folder.chmod(0o755)
    if AS_ROOT:
        os.chown(folder, pwd.getpwnam(ACCOUNT).pw_uid, -1)
    found = Running(folder)
    yield found
    if found.process is not None:
        found.end(signal.SIGKILL)
    shutil.rmtree(folder)


@pytest.fixture
def running() -> Iterator[Running]:
    with folder_of_a_signer() as found:
        yield found


@pytest.fixture(scope="module")
def asked() -> Iterator[Running]:
    """One signer that runs through all tests that only ask, and in which nothing is sealed."""
    with folder_of_a_signer() as found:
        found.start()
        yield found
        assert found.process is not None
        assert found.process.poll() is None, "it outlived every question"


def opened(running: Running, folder: Path) -> Ledger:
    return Ledger(f"sqlite:///{folder}/ledger.db", RemoteKey(running.socket, "ledger"), folder / "anchor.json")


def enrolled(ledger: Ledger) -> None:
    """A root, and the signer's key for the ledger's head."""
    root = SigningKey.generate()
    enrol(ledger, root, "root", root.public, ["root"])
    assert ledger.head_key is not None
    enrol(ledger, root, "ledger", ledger.head_key.public, ["ledger"])


def write(ledger: Ledger, subject: str = "2026-01-01") -> int:
    return ledger.append(EVENT, model="loans", subject=subject).seq


def test_a_ledger_is_written_and_verified_with_a_key_that_this_account_cannot_read(running, tmp_path):
    running.start()
    ledger = opened(running, tmp_path)
    enrolled(ledger)
    assert write(ledger) == 3
    assert verify_all(ledger) == []
    state = (running.keys / "ledger.pem").stat()
    assert state.st_mode & 0o077 == 0
    if AS_ROOT:
        assert state.st_uid == pwd.getpwnam(ACCOUNT).pw_uid != os.getuid()
    said = running.end()
    assert "asked: 'head ledger': done" in said
    assert "PRIVATE" not in said
    assert not running.socket.exists()


def test_no_answer_holds_a_private_key(asked):
    for name in ("ledger", "artifacts", "automation"):
        for do in ("public", "private", "sign", "head", "save", None):
            answer = json.dumps(ask(asked.socket, {"do": do, "key": name, "message": "", "rows": []}))
            assert "PRIVATE" not in answer
            assert set(json.loads(answer)) <= {"pem", "refused"}, answer
    with pytest.raises(KeyRefused, match="never leaves the signer"):
        RemoteKey(asked.socket, "ledger").save(Path("x"))


def test_a_signer_that_is_killed_leaves_no_half_record_and_goes_on_afterwards(running, tmp_path):
    running.start()
    ledger = opened(running, tmp_path)
    enrolled(ledger)
    running.end(signal.SIGKILL)
    with pytest.raises(SignerUnavailable, match=f"mlops signer --socket {running.socket}"):
        write(ledger)
    assert [record.seq for record in ledger.records()] == [1, 2]
    running.start()
    assert write(ledger) == 3
    assert verify_all(ledger) == []


def test_what_was_signed_before_a_failed_transaction_is_no_obstacle(running, tmp_path, monkeypatch):
    """The signer has answered, and the database did not take the records."""
    running.start()
    ledger = opened(running, tmp_path)
    enrolled(ledger)
    signed = RemoteKey.sign_head
    with monkeypatch.context() as patched:
        patched.setattr(RemoteKey, "sign_head", lambda key, rows: (signed(key, rows), 1 / 0)[0])
        with pytest.raises(ZeroDivisionError):
            write(ledger, "2026-02-01")
    assert [record.seq for record in ledger.records()] == [1, 2]
    assert write(ledger, "2026-03-01") == 3
    assert write(ledger, "2026-04-01") == 4
    assert verify_all(ledger) == []
    heads = [json.loads(line)["seq"] for line in (running.keys / "heads.jsonl").read_text().splitlines()]
    assert heads == [1, 2, 3, 3, 4], "its journal has the one that was never written"


def test_another_ledger_is_not_sealed(running, tmp_path):
    """Whoever may ask cannot have a history of their own signed beside the real one."""
    running.start()
    enrolled(first := opened(running, tmp_path))
    write(first)
    (tmp_path / "other").mkdir()
    with pytest.raises(SignerRefused, match="another ledger, or one that was changed"):
        enrolled(opened(running, tmp_path / "other"))
    assert opened(running, tmp_path / "other").records() == []


def test_a_seal_is_under_the_last_head_alone(running, tmp_path):
    running.start()
    ledger = opened(running, tmp_path)
    enrolled(ledger)
    key, head = ledger.head_key, ledger.sealed_head()
    assert key is not None
    assert head is not None
    sealed = sign_statement(key, {"a": "a" * 64}, SEAL, {"head": head.to_dict()})
    assert sealed["signatures"][0]["keyid"] == key.public.key_id
    with pytest.raises(SignerRefused, match="under the last head alone"):
        sign_statement(key, {"a": "a" * 64}, SEAL, {"head": {**head.to_dict(), "digest": "b" * 64}})


def test_an_account_that_is_not_allowed_is_refused(running, tmp_path):
    if not AS_ROOT:
        # This account cannot become another one, so it is not allowed itself.
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(b"{}")
            answer_one(Signer(tmp_path / "keys"), theirs, (), lambda line: None)
            assert b"may not ask" in ours.recv(65536)
        return
    running.start()
    words = [sys.executable, str(AS_ACCOUNT), "daemon", "ask", str(running.socket)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "account daemon may not ask" in json.loads(run.stdout)["refused"], run.stderr
    assert "daemon (process" in running.end()


@pytest.mark.parametrize(
    "sent", [b"", b"\n", b"[", b"[" * 100_000, b"\xff\xfe", b'"text"', b"{}", b'{"key": ["ledger"]}']
)
def test_whoever_asks_badly_ends_nothing(asked, sent):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(asked.socket))
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert b"refused" in connection.recv(65536)
    assert "pem" in ask(asked.socket, {"do": "public", "key": "ledger"})


def test_a_ledger_with_its_key_is_taken_over(tmp_path):
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    key = new_key("ledger", folder)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", key, tmp_path / "anchor.json")
    enrolled(ledger)
    signer = Signer(folder, tmp_path / "anchor.json")
    anchor = read_anchor(tmp_path / "anchor.json")
    assert anchor is not None
    assert (signer.signed.last.seq, signer.signed.last.digest) == (2, anchor.digest)


def test_what_a_signer_does_not_start_with(tmp_path):
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    with pytest.raises(SignerError, match="open to other accounts; run: chmod 700"):
        Signer(folder)
    folder.chmod(0o700)
    other = Ledger(f"sqlite:///{tmp_path}/ledger.db", SigningKey.generate(), tmp_path / "anchor.json")
    enrolled(other)
    with pytest.raises(SignerError, match="found no head signed with"):
        Signer(folder, tmp_path / "anchor.json")
    (folder / "signed.json").write_text("{")
    with pytest.raises(SignerError, match="restore it from a backup"):
        Signer(folder)


def test_two_signers_do_not_share_a_socket(asked):
    keys = asked.folder.parent / f"{asked.folder.name}-second"
    try:
        with pytest.raises(SignerError, match="in use"):
            serve(Signer(keys), asked.socket, ())
    finally:
        shutil.rmtree(keys)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(SignerError, match="in use"):
        serve(Signer(tmp_path / "keys"), tmp_path / "x", ())
    assert (tmp_path / "x").read_text() == "mine"


def test_a_project_is_set_up_with_it_and_has_no_private_key_of_the_machine(running, tmp_path, monkeypatch):
    running.start()
    monkeypatch.setenv("MLOPS_SIGNER", str(running.socket))
    for name in ("MLOPS_HOME", "MLOPS_LEDGER_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    platform = Platform.load(write_project(tmp_path / "bank", SNAPSHOT, rows=10))
    prepare(platform)
    assert {path.name for path in platform.home.keys.glob("*.pem")} == {
        "root.pem", "root.pub.pem", "ledger.pub.pem", "artifacts.pub.pem",
    }  # fmt: skip
    assert service_key(platform) is None
    assert enrol_service(platform)
    assert not enrol_service(platform), "once"
    assert isinstance(service_key(platform), RemoteKey)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.skops").write_bytes(b"weights")
    signature = tmp_path / "model.sig"
    signature.write_text(json.dumps(sign_artifact(platform, folder)))
    verify_folder(folder, artifact_public_key(platform), signature)
    assert verify_all(platform.ledger) == []
    running.end()
    # Reading needs no signer.
    assert len(Platform.load(platform.project.defs).ledger.state().people.periods) == 3
