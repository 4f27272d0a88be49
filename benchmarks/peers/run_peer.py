"""One peer on windows against references, with its own defaults; runs in the peers' environment, without the project.

    .venv-peers/bin/python benchmarks/peers/run_peer.py PEER < JOBS.json

JOBS: `[[REFERENCE.parquet, [WINDOW.parquet, ...]], ...]`; the windows of a job have as many rows each. PEER: evidently,
evidently-psi, nannyml (a window is one chunk), nannyml-chunks (its default: both sides in ten chunks), alibi. A JSON line
a window: its path as `window`, `seconds` of the calculation (imports and reading apart), `fit_seconds` of what is made once
from the reference, `alarm` (Evidently: half the columns drifted; NannyML: any alert in any chunk of the window; alibi: its
corrected verdict) and the `columns` that drifted.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ |= {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}

import numpy as np
import pandas as pd

Judge = Callable[[pd.DataFrame], tuple[bool, list[str]]]


def kinds(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of numeric and of categorical columns."""
    numeric = [n for n in frame.columns if pd.api.types.is_numeric_dtype(frame[n])]
    return numeric, [n for n in frame.columns if n not in numeric]


def evidently(reference: pd.DataFrame, **methods: str) -> Judge:
    """The preset compares two tables each time: it keeps nothing of the reference."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numeric, text = kinds(reference)
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=text)

    def judge(window: pd.DataFrame) -> tuple[bool, list[str]]:
        now, before = (Dataset.from_pandas(f, definition) for f in (window, reference))
        metrics = Report([DataDriftPreset(**methods)]).run(now, before).dict()["metrics"]
        count = next(m["value"] for m in metrics if "DriftedColumnsCount" in m["metric_name"])
        # By column the result holds a distance or a p-value; only the count says how many were found drifted.
        return count["share"] >= 0.5, [f"{int(count['count'])} columns"] if count["count"] else []

    return judge


def nannyml(reference: pd.DataFrame, chunk: int | None) -> Judge:
    """Univariate drift in chunks of so many rows on both sides; None: ten chunks a side."""
    import nannyml as nml

    numeric, text = kinds(reference)
    calculator = nml.UnivariateDriftCalculator(
        column_names=[*numeric, *text], treat_as_categorical=text, chunk_size=chunk
    ).fit(reference)

    def judge(window: pd.DataFrame) -> tuple[bool, list[str]]:
        found = calculator.calculate(window).filter(period="analysis").to_df()
        alerts = [c for c in found.columns if c[-1] == "alert"]
        drifted = sorted({str(c[0]) for c in alerts if bool(found[c].any())})
        return bool(drifted), drifted

    return judge


def alibi(reference: pd.DataFrame) -> Judge:
    """TabularDrift: Kolmogorov-Smirnov and chi-square, p < .05 with Bonferroni's correction.

    It knows no missing numbers: they become the reference's median, as a model's pipeline would make them.
    """
    from alibi_detect.cd import TabularDrift

    numeric, text = kinds(reference)
    median = reference[numeric].median()
    codes = {n: {v: i for i, v in enumerate(sorted(reference[n].dropna().unique()))} for n in text}

    def array(frame: pd.DataFrame) -> np.ndarray:
        parts = [frame[n].fillna(median[n]).to_numpy(dtype=float) for n in numeric]
        # A value the reference lacks gets a code of its own.
        parts += [frame[n].map(codes[n]).fillna(len(codes[n])).to_numpy(dtype=float) for n in text]
        return np.column_stack(parts)

    detector = TabularDrift(
        array(reference), p_val=0.05, categories_per_feature={len(numeric) + i: None for i in range(len(text))}
    )

    def judge(window: pd.DataFrame) -> tuple[bool, list[str]]:
        data: Any = detector.predict(array(window), drift_type="batch")["data"]
        drifted = [n for n, p in zip([*numeric, *text], data["p_val"], strict=True) if p < data["threshold"]]
        return bool(data["is_drift"]), drifted

    return judge


PEERS: dict[str, Callable[[pd.DataFrame, int], Judge]] = {
    "evidently": lambda reference, rows: evidently(reference),
    "evidently-psi": lambda reference, rows: evidently(reference, num_method="psi", cat_method="psi"),
    "nannyml": nannyml,
    "nannyml-chunks": lambda reference, rows: nannyml(reference, None),
    "alibi": lambda reference, rows: alibi(reference),
}


def main() -> int:
    """Print the lines."""
    peer = sys.argv[1]
    jobs: list[tuple[str, list[str]]] = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    # Imports are not what is measured: a small fit makes them.
    small = pd.read_parquet(jobs[0][0]).head(1000)
    PEERS[peer](small, 100)(small.head(100))
    for known, paths in jobs:
        reference, windows = pd.read_parquet(known), [pd.read_parquet(p) for p in paths]
        start = time.perf_counter()
        judge = PEERS[peer](reference, len(windows[0]))
        fit = time.perf_counter() - start
        for path, window in zip(paths, windows, strict=True):
            start = time.perf_counter()
            alarm, columns = judge(window)
            found = {"window": path, "seconds": time.perf_counter() - start, "fit_seconds": fit}
            print(json.dumps({**found, "alarm": alarm, "columns": columns}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
