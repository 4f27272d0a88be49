"""What a verifier checks of a packet's files: a plain ZIP with nothing around it, and each file the one that a record names."""

import hashlib
import os
import stat
import struct
import zipfile
from typing import Any

from mlops_assets.evidence.packet.verifier_ledger import Row
from mlops_assets.evidence.packet.verifier_signatures import Wrong

MEGABYTE = 1024 * 1024
LARGEST_FILE = 256 * MEGABYTE
LARGEST_TOTAL = 1024 * MEGABYTE
MOST_FILES = 20_000
END = struct.Struct("<4s4H2LH")
"""End of a ZIP's directory: signature, two disks, two counts, size and offset of the directory, length of a comment."""
LOCAL = struct.Struct("<4s5H3L2H")
"""Head of a file in a ZIP; the last two numbers are the lengths of its name and of its extra field."""


def read_files(path: Any) -> dict[str, bytes]:
    """Name to bytes of every file in the packet. Sizes are looked at before anything is unpacked."""
    size = plain_size(path)
    with open(path, "rb") as raw, directory_of(raw) as archive:
        entries = archive.infolist()
        check_entries(entries)
        check_layout(raw, size, entries)
        found = {}
        for entry in entries:
            try:
                with archive.open(entry) as stream:
                    content = stream.read(entry.file_size + 1)
            except (zipfile.BadZipFile, EOFError, ValueError, OSError, zipfile.LargeZipFile) as error:
                raise Wrong(f"{entry.filename} is damaged: {error}") from None
            except Exception as error:  # zlib's own error, which has no name of its own here
                raise Wrong(f"{entry.filename} cannot be unpacked: {error}") from None
            if len(content) != entry.file_size:
                raise Wrong(f"{entry.filename} unpacks to another size than the packet states")
            found[entry.filename] = content
        return found


def directory_of(raw: Any) -> zipfile.ZipFile:
    """The ZIP in an open file, with its directory read."""
    try:
        return zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, OSError):
        raise
    except Exception as error:  # of many kinds: an unknown version, names that are no text
        raise Wrong(f"the packet's directory cannot be read: {error}") from None


def plain_size(path: Any) -> int:
    """Size of a regular file that is small enough to be a packet."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is no regular file")
    if status.st_size > LARGEST_TOTAL:
        raise Wrong(f"{path} has {status.st_size} bytes, expected at most {LARGEST_TOTAL}")
    return status.st_size


def check_entries(entries: list[zipfile.ZipInfo]) -> None:
    """Plain files only, stored or deflated, each once, and not too much of it."""
    if len(entries) > MOST_FILES:
        raise Wrong(f"the packet holds {len(entries)} files, expected at most {MOST_FILES}")
    names = set()
    for entry in entries:
        name = entry.filename
        if name.casefold() in names:
            raise Wrong(f"the packet holds two files of the name {name}")
        names.add(name.casefold())
        parts = name.split("/")
        if entry.is_dir() or "\\" in name or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
            raise Wrong(f"the packet holds {name!r}, expected plain files with relative names only")
        if entry.extra or entry.comment:
            raise Wrong(f"{name} carries a comment or extra fields, and no packet has any")
        if entry.flag_bits & 0x1:
            raise Wrong(f"{name} is encrypted, and a packet is not")
        if entry.flag_bits & ~0x800 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Wrong(f"{name} is stored in a way that no packet uses (method {entry.compress_type})")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise Wrong(f"{name} is a link or a device, expected a plain file")
        if entry.file_size > LARGEST_FILE:
            raise Wrong(f"{name} unpacks to {entry.file_size} bytes, expected at most {LARGEST_FILE}")
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST_TOTAL:
        raise Wrong(f"the packet unpacks to {total} bytes, expected at most {LARGEST_TOTAL}")


def check_layout(raw: Any, size: int, entries: list[zipfile.ZipInfo]) -> None:
    """The file begins with its first entry and ends with its directory; nothing lies before, between or after."""
    if size < END.size:
        raise Wrong("the packet ends before its directory")
    raw.seek(size - END.size)
    signature, *counts, directory_size, directory, comment = END.unpack(raw.read(END.size))
    if signature != b"PK\x05\x06" or comment or directory + directory_size + END.size != size:
        raise Wrong("the packet has data after its end, or before its beginning")
    if counts != [0, 0, len(entries), len(entries)]:
        raise Wrong(f"the packet's directory lists {len(entries)} files, and its end states another number")
    place = 0
    for entry in sorted(entries, key=lambda e: e.header_offset):
        if entry.header_offset != place:
            raise Wrong(f"the packet has data before {entry.filename} that belong to no file")
        raw.seek(place)
        content = raw.read(LOCAL.size)
        if len(content) != LOCAL.size:
            raise Wrong(f"the packet ends within {entry.filename}")
        _, _, flags, method, _, _, crc, packed, size_here, name_length, extra_length = LOCAL.unpack(content)
        here = (raw.read(name_length), flags, method, crc, packed, size_here)
        listed = (entry.filename.encode(), entry.flag_bits, entry.compress_type, entry.CRC, entry.compress_size)
        if extra_length:
            raise Wrong(f"{entry.filename} carries extra fields, and no packet has any")
        if here != (*listed, entry.file_size):
            raise Wrong(f"{entry.filename} is described in one way before its content and in another in the directory")
        place += LOCAL.size + name_length + entry.compress_size
    if place != directory:
        raise Wrong("the packet has data between its last file and its directory")


def check_file(files: dict[str, bytes], name: str, digest: Any, why: str) -> None:
    """A file is the one that a record names."""
    if name not in files:
        raise Wrong(f"{name} is missing")
    if hashlib.sha256(files[name]).hexdigest() != digest:
        raise Wrong(f"{name} is not what {why}")


def check_recorded_files(files: dict[str, bytes], rows: list[Row], model: str, version: str) -> None:
    """Card, evidence and reports of windows are those whose digests the ledger holds; nothing else is among them."""
    named = dict(recorded_files(rows, model, version))
    for name, (digest, seq) in named.items():
        check_file(files, name, digest, f"record {seq} names")
    for name in files:
        folder = name.split("/", 1)[0]
        if folder in ("card", "evidence", "windows") and name not in named:
            raise Wrong(f"{name} is in the packet, and no record names it")


def recorded_files(rows: list[Row], model: str, version: str) -> list[tuple[str, tuple[str, int]]]:
    """Name in the packet, and digest and number of the record, of each file that belongs to the version."""
    found: list[tuple[str, tuple[str, int]]] = []
    mine = [row for row in rows if row["model"] == model]
    registered = [row for row in mine if row["kind"] == "version_registered" and row["subject"] == version]
    # A training stores evidence before its version is registered.
    runs = {row["body"]["run_id"] for row in registered}
    for row in mine:
        body, seq = row["body"], row["seq"]
        if row["kind"] == "evidence_stored" and row["subject"] in runs:
            found.append((f"evidence/{body['name']}.json", (body["digest"], seq)))
        elif row["kind"] == "card_issued" and row["subject"] == version:
            card = {"card.json": body["digest"], **body["files"]}
            found = [(name, what) for name, what in found if not name.startswith("card/")]
            found += [(f"card/{name}", (digest, seq)) for name, digest in card.items()]
        elif row["kind"] == "health_verdict":
            # A window that was judged again has the reports of its last verdict only.
            window = f"windows/{row['subject']}/"
            found = [(name, what) for name, what in found if not name.startswith(window)]
            if str(body["version"]) == version:
                found += [(f"{window}{name}.json", (digest, seq)) for name, digest in body["evidence"].items()]
    return found
