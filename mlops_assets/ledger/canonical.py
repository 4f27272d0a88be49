"""One text for one value: the canonical JSON that records, statements and policies are hashed over.

Keys sorted, no white space, UTF-8, numbers as Python writes them, times as ISO 8601 in UTC. What has no single
meaning in JSON (NaN, infinities, keys that are not text, naive times) is refused, not guessed.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Set
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON text that is equal exactly when the values are.

    Raises:
        ValueError: naming the place, when the value holds something that JSON cannot say.
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, lowercase hex."""
    return digest_text(canonical_json(value))


def digest_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, lowercase hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def iso(moment: datetime) -> str:
    """`2026-11-21T09:30:00.000000Z`: always UTC and of one width, so that texts sort as the times do.

    Raises:
        ValueError: the time has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(
            f"found a time without a time zone ({moment.isoformat()}), expected UTC, such as {moment.isoformat()}Z"
        )
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def moment(text: str) -> datetime:
    """The time that `iso` wrote; also reads other ISO 8601 texts that carry a time zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"found the time {text!r} without a time zone, expected UTC, such as 2026-11-21T09:30:00Z")
    return found.astimezone(UTC)


def plain(value: Any, where: str = "$") -> Any:
    """`value` as dicts, lists, text, numbers, booleans and None only."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value, where)
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where}: found {value}, expected a finite number, or null where there is none")
        return float(value)
    if isinstance(value, Mapping):
        return {_key(key, where): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return _text(value.as_posix(), where)
    if isinstance(value, Set):
        return sorted(plain(item, where) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), f"{where}.{f.name}") for f in dataclasses.fields(value)}
    # pydantic's models, and numpy's scalars and arrays, known by what they offer: neither is imported for this.
    for method, arguments in (("model_dump", {"mode": "json"}), ("tolist", {})):
        if callable(convert := getattr(value, method, None)) and not isinstance(value, memoryview | type):
            return plain(convert(**arguments), where)
    raise ValueError(f"{where}: found {type(value).__name__}, expected what JSON can say")


def _key(key: Any, where: str) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str):
        raise ValueError(f"{where}: found the key {key!r} of type {type(key).__name__}, expected text")
    return _text(key, where)


def _text(value: str, where: str) -> str:
    value = str(value)
    if "\x00" in value:
        raise ValueError(f"{where}: found a NUL character, which PostgreSQL cannot store")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{where}: found a lone surrogate, expected text that UTF-8 can say") from None
    return value
