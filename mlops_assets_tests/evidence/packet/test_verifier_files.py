"""Files that are no packet, and packets with something around or inside them: each is refused with a sentence."""

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_assets.evidence.packet import verifier_files
from mlops_assets.evidence.packet.verifier import verify
from mlops_assets.evidence.packet.verifier_files import read_files, recorded_files
from mlops_assets.evidence.packet.verifier_signatures import Wrong, parsed


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files or {"a": b"alpha", "b": b"beta"}).items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def entry(name: str, content: bytes = b"x", **attributes: int) -> bytes:
    """A ZIP with one entry that is set up by hand."""
    target = io.BytesIO()
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(info, content)
    return target.getvalue()


def twice() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    return target.getvalue()


def extra_here() -> bytes:
    """A field before the content of the file that the directory does not list."""
    content = bytearray(zipped(a=b"alpha"))
    struct.pack_into("<H", content, 28, 4)
    content[31:31] = b"more"
    struct.pack_into("<L", content, len(content) - 6, content.index(b"PK\x01\x02"))
    return bytes(content)


def other_version(needed: int) -> bytes:
    """The directory says that another program is needed."""
    content = bytearray(zipped(a=b"alpha"))
    struct.pack_into("<H", content, content.index(b"PK\x01\x02") + 6, needed)
    return bytes(content)


def flagged(bits: int, name: int = ord("a")) -> bytes:
    """Both descriptions of the first file say, by these bits, how it is stored; with another byte as its name."""
    content = bytearray(zipped(a=b"alpha"))
    directory = content.index(b"PK\x01\x02")
    content[30] = content[directory + 46] = name
    struct.pack_into("<H", content, 6, bits)
    struct.pack_into("<H", content, directory + 8, bits)
    return bytes(content)


def other_size(size: int) -> bytes:
    """Both descriptions of the first file say that it unpacks to so many bytes."""
    content = bytearray(zipped(a=b"alpha" * 100))
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<L", content, 22, size)
    struct.pack_into("<L", content, directory + 24, size)
    return bytes(content)


def with_gap() -> bytes:
    """Bytes between the last file and the directory, with the directory's place put right."""
    content = zipped()
    directory = content.index(b"PK\x01\x02")
    moved = bytearray(content[:directory] + b"gap!" + content[directory:])
    struct.pack_into("<L", moved, len(moved) - 6, directory + 4)
    return bytes(moved)


def renamed_here() -> bytes:
    content = bytearray(zipped(a=b"alpha"))
    content[30:31] = b"z"
    return bytes(content)


def damaged() -> bytes:
    content = bytearray(zipped(a=os.urandom(200)))
    content[60] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (lambda: b"#!/bin/sh\n" + zipped(), "data after its end, or before its beginning"),
        (lambda: zipped() + b"more", "data after its end, or before its beginning"),
        (lambda: zipped() + zipped(), "data after its end, or before its beginning"),
        (with_gap, "between its last file and its directory"),
        (renamed_here, "described in one way"),
        (lambda: entry("folder/"), "plain files with relative names only"),
        (lambda: entry("../outside"), "plain files with relative names only"),
        (lambda: entry("/etc/passwd"), "plain files with relative names only"),
        (lambda: entry("a\\b"), "plain files with relative names only"),
        (lambda: entry("a", external_attr=0o120777 << 16), "a link or a device"),
        (lambda: entry("a\x1b[2J"), "plain files with relative names only"),
        (lambda: entry("a", extra=b"\x99\x99\x04\x00more"), "carries a comment or extra fields"),
        (lambda: entry("a", comment=b"more"), "carries a comment or extra fields"),
        (extra_here, "carries extra fields"),
        (lambda: zipped()[:-12] + b"\x07\x00" + zipped()[-10:], "its end states another number"),
        (lambda: flagged(0x800, name=0xE9), "directory cannot be read"),
        (lambda: other_version(200), "directory cannot be read"),
        (twice, "two files of the name a"),
        (lambda: zipped(a=b"1", A=b"2"), "two files of the name"),
        (lambda: flagged(0x1), "a is encrypted"),
        (lambda: flagged(0x8), "stored in a way that no packet uses"),
        (lambda: entry("a", compress_type=zipfile.ZIP_BZIP2), "stored in a way that no packet uses"),
        (lambda: other_size(4_000_000_000), "unpacks to 4000000000 bytes, expected at most"),
        (lambda: other_size(10), "cannot be unpacked|is damaged|another size"),
        (lambda: other_size(1000), "cannot be unpacked|is damaged|another size"),
        (damaged, "is damaged|cannot be unpacked"),
    ],
)  # fmt: skip
def test_it_is_refused_with_a_sentence(tmp_path: Path, content: Callable[[], bytes], problem: str):
    path = tmp_path / "p.zip"
    path.write_bytes(content())
    with pytest.raises(Wrong, match=problem):
        read_files(path)
    found = verify(path)
    assert not found["ok"]
    assert found["problem"]


def test_the_total_is_limited_before_anything_is_unpacked(tmp_path: Path, monkeypatch):
    """16 MB that unpack to gigabytes: each file is below its limit, all of them together are not."""
    path = tmp_path / "p.zip"
    path.write_bytes(zipped(**{f"f{i}": bytes(200_000) for i in range(20)}))
    monkeypatch.setattr(verifier_files, "LARGEST_TOTAL", 1_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(Wrong, match="unpacks to 4000000 bytes, expected at most 1000000"):
        read_files(path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(verifier_files, "MOST_FILES", 3)
    path = tmp_path / "p.zip"
    path.write_bytes(zipped(**{f"f{i}": b"" for i in range(4)}))
    with pytest.raises(Wrong, match="holds 4 files, expected at most 3"):
        read_files(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"nothing at all", b"\0" * 4096])
def test_what_is_no_zip_is_named(tmp_path: Path, content: bytes):
    path = tmp_path / "p.zip"
    path.write_bytes(content)
    found = verify(path)
    assert not found["ok"]
    assert found["problem"]


def test_a_pipe_is_no_packet_and_nobody_waits_for_it(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in verify(tmp_path / "pipe")["problem"]
    assert verify(tmp_path / "gone")["unreadable"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"a": 1, "a": 2}', "the same name twice"),
        ("9" * 10_000, "is no JSON"),
        ("{", "is no JSON"),
    ],
    ids=["nested", "a name twice", "a huge number", "cut short"],
)
def test_json_that_no_packet_holds(text: str, problem: str):
    with pytest.raises(Wrong, match=problem):
        parsed(text, "the file")


def test_what_is_plain_is_read(tmp_path: Path):
    path = tmp_path / "p.zip"
    path.write_bytes(zipped())
    assert read_files(path) == {"a": b"alpha", "b": b"beta"}


def test_a_window_that_was_judged_again_has_the_reports_of_its_last_verdict():
    def verdict(seq: int, version: str, digest: str) -> dict:
        body = {"version": version, "evidence": {"drift": digest}}
        return {"seq": seq, "kind": "health_verdict", "model": "m", "subject": "2026-01-01", "body": body}

    again = [verdict(1, "1", "a"), verdict(2, "1", "b")]
    assert recorded_files(again, "m", "1") == [("windows/2026-01-01/drift.json", ("b", 2))]
    assert recorded_files([*again, verdict(3, "2", "c")], "m", "1") == []


def test_evidence_that_was_stored_before_its_version_was_registered_belongs_to_it():
    """A training stores its candidates first: only then is there a version."""
    rows = [
        {"seq": 1, "kind": "evidence_stored", "model": "m", "subject": "run-1", "body": {"name": "candidates", "digest": "a"}},
        {"seq": 2, "kind": "version_registered", "model": "m", "subject": "1", "body": {"run_id": "run-1"}},
        {"seq": 3, "kind": "evidence_stored", "model": "m", "subject": "run-1", "body": {"name": "evaluation", "digest": "b"}},
        {"seq": 4, "kind": "evidence_stored", "model": "m", "subject": "run-2", "body": {"name": "candidates", "digest": "c"}},
    ]  # fmt: skip
    assert dict(recorded_files(rows, "m", "1")) == {
        "evidence/candidates.json": ("a", 1),
        "evidence/evaluation.json": ("b", 3),
    }
