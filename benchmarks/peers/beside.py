"""Runs a peer in the peers' environment (`make bench` makes it) and brings back what it said; knows nothing of ours."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / ".venv-peers" / "bin" / "python"


def run_peer(peer: str, reference: Path, windows: Sequence[Path], seconds: float = 300) -> list[dict[str, Any]] | str:
    """One result a window, or why there is none."""
    if not PYTHON.exists():
        return "not installed: `make bench` makes .venv-peers"
    command = [str(PYTHON), str(HERE / "run_peer.py"), peer, str(reference), *map(str, windows)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"no result within {seconds:g} s"
    except subprocess.CalledProcessError as error:
        return f"failed: {error.stderr.strip().splitlines()[-1:]}"
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
