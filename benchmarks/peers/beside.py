"""Runs a peer in the peers' environment (`make bench` makes it) and brings back what it said; knows nothing of ours."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / ".venv-peers" / "bin" / "python"
Job = tuple[Path, Sequence[Path]]
"""A reference, and windows of as many rows each."""


def run_peer(peer: str, jobs: Sequence[Job], seconds: float = 300) -> dict[Path, dict[str, Any]] | str:
    """What it said of each window, as far as it came in `seconds`, or why it said nothing."""
    if not PYTHON.exists():
        return "not installed: `make bench` makes .venv-peers"
    told = json.dumps([[str(reference), [str(w) for w in windows]] for reference, windows in jobs])
    command = [str(PYTHON), str(HERE / "run_peer.py"), peer]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds, input=told)
    except subprocess.TimeoutExpired as late:
        # What it wrote until then comes as bytes, whatever `text` says.
        done = late
        if not late.stdout:
            return f"no result within {seconds:g} s"
    except subprocess.CalledProcessError as error:
        return f"failed: {error.stderr.strip().splitlines()[-1:]}"
    told = done.stdout.decode() if isinstance(done.stdout, bytes) else done.stdout
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{") and line.endswith("}")]
    return {Path(found["window"]): found for found in lines}


def write_plain(frame: pl.DataFrame, path: Path) -> Path:
    """The frame as every peer can read it: times as days, truths as text."""
    import polars.selectors as cs

    plain = frame.with_columns(cs.temporal().cast(pl.Date).cast(pl.Int32), cs.boolean().cast(pl.String))
    plain.write_parquet(path)
    return path
