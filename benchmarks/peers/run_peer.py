"""One peer on windows against a reference, with its own defaults; runs in the peers' environment, without the project.

    .venv-peers/bin/python benchmarks/peers/run_peer.py PEER REFERENCE.parquet CURRENT.parquet...

PEER: evidently, evidently-psi, nannyml, alibi. A JSON line a window: `seconds` of the calculation (imports and reading
apart), `fit_seconds` of what is made once from the reference, `alarm` (Evidently: half the columns drifted; NannyML: any
alert in the window's chunk; alibi: its corrected verdict) and the `columns` that drifted.
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


def nannyml(reference: pd.DataFrame) -> Judge:
    """Univariate drift; a window is one chunk, and the reference is cut into chunks of that size."""
    import nannyml as nml

    numeric, text = kinds(reference)
    calculator = nml.UnivariateDriftCalculator(
        column_names=[*numeric, *text], treat_as_categorical=text, chunk_size=CHUNK
    ).fit(reference)

    def judge(window: pd.DataFrame) -> tuple[bool, list[str]]:
        found = calculator.calculate(window).filter(period="analysis").to_df()
        alerts = [c for c in found.columns if c[-1] == "alert"]
        drifted = sorted({str(c[0]) for c in alerts if bool(found[c].any())})
        return bool(drifted), drifted

    return judge


def alibi(reference: pd.DataFrame) -> Judge:
    """TabularDrift: Kolmogorov-Smirnov and chi-square, p < .05 with Bonferroni's correction."""
    from alibi_detect.cd import TabularDrift

    numeric, text = kinds(reference)
    codes = {n: {v: i for i, v in enumerate(sorted(reference[n].dropna().unique()))} for n in text}

    def array(frame: pd.DataFrame) -> np.ndarray:
        parts = [frame[n].to_numpy(dtype=float) for n in numeric]
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


CHUNK = 0
PEERS: dict[str, Callable[[pd.DataFrame], Judge]] = {
    "evidently": evidently,
    "evidently-psi": lambda reference: evidently(reference, num_method="psi", cat_method="psi"),
    "nannyml": nannyml,
    "alibi": alibi,
}


def main() -> int:
    """Print the lines."""
    global CHUNK
    peer, known, *paths = sys.argv[1:]
    warnings.simplefilter("ignore")
    reference, windows = pd.read_parquet(known), [pd.read_parquet(p) for p in paths]
    CHUNK = len(windows[0])
    # Imports are not what is measured: a small fit makes them.
    small = reference.head(200)
    size, CHUNK = CHUNK, 100
    PEERS[peer](small)(small.head(100))
    CHUNK = size
    start = time.perf_counter()
    judge = PEERS[peer](reference)
    fit = time.perf_counter() - start
    for window in windows:
        start = time.perf_counter()
        alarm, columns = judge(window)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "fit_seconds": fit, "alarm": alarm, "columns": columns}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
