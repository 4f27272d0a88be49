"""Stages that judge a window: `drift`, `performance`, `health`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.windows import declared_windows
from mlops_assets.declaration import Task
from mlops_assets.governance.canonical import digest
from mlops_assets.governance.decisions import GateResult
from mlops_assets.governance.decisions import Outcome as Verdict
from mlops_assets.governance.dossier import registered
from mlops_assets.governance.ledger import Record
from mlops_assets.graph.bench import Bench, Outcome, StageError
from mlops_assets.graph.stages.models import SCORE
from mlops_assets.graph.stages.production import OUTCOMES, PREDICTIONS, SCORED_ROWS, scored_record, window_of
from mlops_assets.monitoring.batches import find_batch_faults
from mlops_assets.monitoring.drift import ColumnDrift, DriftVerdict, compare
from mlops_assets.monitoring.estimate import estimate_performance
from mlops_assets.monitoring.faults import Fault
from mlops_assets.monitoring.performance import WindowPerformance, measure
from mlops_assets.monitoring.reference import ReferencePerformance
from mlops_assets.monitoring.rules import at_least
from mlops_assets.monitoring.triage import Earlier, Health, triage
from mlops_assets.platform import Platform
from mlops_assets.release.champion import reign
from mlops_assets.response.incidents import open_incident
from mlops_assets.scoring.outcomes import join_outcomes
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import Profile
from mlops_assets.stores.registry import evidence_bytes

WINDOWS = "windows"
SAMPLE_ROWS = 5000
PAGE_ROWS = 1000
VERDICT = "health_verdict"


def drift(bench: Bench) -> Outcome:
    """Compare inputs and score of the window with the reference of the version that scored it."""
    platform, window = bench.platform, window_of(bench)
    scored = scored_record(bench)
    run_id = registered(platform.ledger, bench.model, scored.body["version"]).body["run_id"]
    profile = Profile.from_dict(platform.registry.evidence(run_id, "reference_profile"))
    # What turned out to be true is judged by `performance`, not as an input.
    profile = Profile(profile.rows, {n: c for n, c in profile.columns.items() if n != bench.declaration.target.column})
    said = platform.lake.read(bench.table(PREDICTIONS), window=window.key)
    rows = platform.lake.read(bench.table(SCORED_ROWS), window=window.key).select(list(bench.declaration.features))
    frame = rows.with_columns(said[SCORE])
    counts = count_window(frame, profile)
    shares = importance_of(bench, run_id)
    sample = frame.sample(min(SAMPLE_ROWS, frame.height), seed=bench.declaration.training.seed % 2**32)
    verdict = compare(profile, counts, bench.policy.monitoring, importance=shares, sample=sample)
    evidence = keep(bench, "drift", {**verdict.to_dict(), "version": scored.body["version"]})
    page = draw_page(bench, rows, scored) if at_least(verdict.severity, "watch") or is_last(bench) else None
    return Outcome(
        metadata={
            "severity": verdict.severity,
            "verdict": verdict.reason,
            "rows": verdict.rows,
            "version": scored.body["version"],
            "columns": drift_table(verdict),
            "Evidently": page,
            "evidence digest": evidence,
        },
        data_version=evidence,
        decisions=[severity_check(verdict.severity, verdict.reason, evidence)],
    )


def performance(bench: Bench) -> Outcome:
    """Measure the window on matured outcomes; where too few have matured, estimate, and say that it is one."""
    platform, window, declaration = bench.platform, window_of(bench), bench.declaration
    scored = scored_record(bench)
    run_id = registered(platform.ledger, bench.model, scored.body["version"]).body["run_id"]
    yardstick = ReferencePerformance.from_dict(platform.registry.evidence(run_id, "reference_performance"))
    said = platform.lake.read(bench.table(PREDICTIONS), window=window.key)
    joined = join_outcomes(
        said.with_columns(pl.col(declaration.id).cast(pl.String).alias("id")),
        recorded_outcomes(bench, window.key),
        matures_after=declaration.target.matures_after,
        known_at=datetime.now(UTC),
    )
    matured = joined.rows
    share = matured.height / said.height if said.height else 0.0
    found = measure(
        yardstick,
        targets(matured["outcome"], bench),
        scores(matured, yardstick),
        frame=_with_columns(bench, matured, window.key),
        declaration=declaration,
        rules=bench.policy.monitoring,
        matured_share=share,
        seed=declaration.training.seed,
    )
    estimate = None
    if not found.measurable and said.height:
        moved = moved_inputs(bench)
        estimate = estimate_performance(yardstick, scores(said, yardstick), inputs_moved=moved)
    content = {
        "performance": found.to_dict(),
        "estimate": estimate.to_dict() if estimate else None,
        "outcomes": joined.summary.to_dict(),
        "version": scored.body["version"],
    }
    evidence = keep(bench, "performance", content)
    reason = "; ".join(found.reasons)
    return Outcome(
        metadata={
            "severity": found.severity,
            "verdict": reason,
            "outcomes known": found.n,
            "share of outcomes known": share,
            "version": scored.body["version"],
            "metrics": metric_table(found),
            "base rate": found.base_rate.window if found.base_rate else None,
            "estimate (no outcomes)": [
                {
                    "metric": name,
                    "estimated": e["value"],
                    "from": e["low"],
                    "to": e["high"],
                    "reference": e["reference"],
                }
                for name, e in content["estimate"]["metrics"].items()
            ]
            or content["estimate"]["reason"]
            if content["estimate"]
            else None,
            "slices": [
                {
                    "slice": s.slice,
                    "rows": s.n,
                    "reference": s.reference,
                    "window": s.window,
                    "p adjusted": s.p_adjusted,
                }
                for s in found.slices[:20]
            ]
            or None,
            "evidence digest": evidence,
        },
        data_version=evidence,
        decisions=[severity_check(found.severity, reason, evidence)],
    )


def health(bench: Bench) -> Outcome:
    """Say what kind of change the window shows, record it, and do at once what the policy attaches to it."""
    platform, window = bench.platform, window_of(bench)
    scored = scored_record(bench)
    version = scored.body["version"]
    found = judge(bench, version, batch_faults(bench, scored))
    body = {
        "severity": found.severity,
        "kind": found.kind,
        "reasons": list(found.reasons),
        "causes": [
            {"kind": c.kind, "severity": c.severity, "evidence": c.evidence, "columns": list(c.columns)}
            for c in found.causes
        ],
        "columns": list(found.columns),
        "action": list(found.actions),
        "raw": found.raw,
        "unknown": list(found.unknown),
        "escalated": at_least(found.severity, "act"),
        "version": str(version),
        "policy_digest": bench.policy.digest,
        "evidence": {name: digest_file(report(bench, name)) for name in ("drift", "performance")},
    }
    happened = datetime(window.end.year, window.end.month, window.end.day, tzinfo=UTC)
    record = platform.ledger.append(
        VERDICT,
        body,
        model=bench.model,
        subject=window.key,
        happened_at=min(happened, datetime.now(UTC)),
        key=f"health/{bench.model}/{window.key}/{digest(body)}",
    )
    incident = None
    if "incident" in found.actions:
        incident = open_incident(
            platform.ledger,
            bench.model,
            kind=found.kind,
            severity=found.severity,
            summary=found.reasons[0],
            window=window.key,
            columns=found.columns if found.kind == "feed_fault" else (),
            cause=found.kind if found.kind != "feed_fault" else "",
            rule=found.kind,
            happened_at=record.happened_at,
        )
    return Outcome(
        metadata={
            "severity": found.severity,
            "kind": found.kind,
            "why": " ".join(found.reasons),
            "causes": [
                {"kind": c.kind, "severity": c.severity, "columns": ", ".join(c.columns), "evidence": c.evidence}
                for c in found.causes
            ]
            or None,
            "actions": list(found.actions) or None,
            "incident": incident.id if incident else None,
            "not known yet": list(found.unknown) or None,
            "version": version,
            "ledger record": record.seq,
        },
        data_version=digest(body),
        decisions=[severity_check(found.severity, " ".join(found.reasons), digest(body))],
    )


def judge(bench: Bench, version: int, batch: Sequence[Fault] = ()) -> Health:
    """The verdict on the window from what drift and performance found."""
    drifted = json.loads(report(bench, "drift").read_text())
    measured = json.loads(report(bench, "performance").read_text())
    return triage(
        DriftVerdict.from_dict(drifted),
        WindowPerformance.from_dict(measured["performance"]),
        earlier_windows(bench, version),
        bench.policy.monitoring,
        {
            kind: bench.policy.actions(kind)
            for kind in ("feed_fault", "population_shift", "base_rate_shift", "relation_change")
        },
        batch=batch,
    )


def batch_faults(bench: Bench, scored: Record) -> list[Fault]:
    """Signs that the window as a whole is a copy of an earlier one."""
    rows = bench.platform.lake.read(bench.table(SCORED_ROWS), window=scored.subject)
    others = {
        r.subject: r.body["content_digest"] for r in bench.platform.ledger.records(kind=scored.kind, model=bench.model)
    }
    earlier = {f"window {window}": digest for window, digest in others.items() if window < scored.subject}
    declaration = bench.declaration
    return find_batch_faults(rows, list(declaration.features), identifier=declaration.id, earlier=earlier)


def earlier_windows(bench: Bench, version: int) -> list[Earlier]:
    """Verdicts of the windows before this one under the same version, oldest first, the last verdict of each."""
    window = window_of(bench)
    found: dict[str, Record] = {}
    for record in bench.platform.ledger.records(kind=VERDICT, model=bench.model):
        if record.subject < window.key and record.body["version"] == str(version):
            found[record.subject] = record
    return [Earlier(key, found[key].body["raw"]) for key in sorted(found)]


def importance_of(bench: Bench, run_id: str) -> dict[str, float]:
    """Share of all importance by feature; the score stands for the whole model and weighs as much as all of them."""
    found = bench.platform.registry.evidence(run_id, "explanations")["importance"]["features"]
    return {f["feature"]: f["share"] for f in found}


def recorded_outcomes(bench: Bench, window: str) -> pl.DataFrame:
    """Recordings of the window's outcomes; an empty table where there are none."""
    table = bench.table(OUTCOMES)
    if window in bench.platform.lake.windows(table):
        return bench.platform.lake.read(table, window=window)
    return pl.DataFrame(schema={"id": pl.String, "outcome": pl.String, "recorded_at": pl.Datetime("us", "UTC")})


def targets(outcome: pl.Series, bench: Bench) -> np.ndarray:
    """Outcomes as evaluation takes them."""
    declaration = bench.declaration
    if declaration.task is Task.REGRESSION:
        return outcome.cast(pl.Float64).to_numpy()
    if declaration.task is Task.MULTICLASS:
        return np.asarray(outcome.to_list(), dtype=object)
    return (outcome == str(declaration.target.positive)).cast(pl.Int64).to_numpy()


def scores(said: pl.DataFrame, yardstick: ReferencePerformance) -> np.ndarray:
    """Scores as evaluation takes them: one column, or one a class."""
    if not yardstick.classes:
        return said[SCORE].to_numpy()
    return said.select([f"score:{label}" for label in yardstick.classes]).to_numpy()


def moved_inputs(bench: Bench) -> str | None:
    """Why an estimate would not hold: the inputs are out of what the model was calibrated on."""
    path = report(bench, "drift")
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    return found["reason"] if at_least(found["severity"], "act") else None


def keep(bench: Bench, name: str, content: dict[str, Any]) -> str:
    """Write a window's evidence beside its pages; returns the SHA-256 of the file."""
    path = report(bench, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(evidence_bytes(plain_numbers(content)))
    partial.replace(path)
    return digest_file(path)


def report(bench: Bench, name: str) -> Path:
    """Where a window's evidence is kept."""
    return bench.platform.home.reports / WINDOWS / bench.model / window_of(bench).key / f"{name}.json"


def digest_file(path: Path) -> str:
    """SHA-256 of a file."""
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def plain_numbers(value: Any) -> Any:
    """NumPy scalars as Python's, NaN and infinity as nothing."""
    from mlops_assets.evaluation.performance import plain

    return plain(value)


def draw_page(bench: Bench, rows: pl.DataFrame, scored: Record) -> Path | None:
    """Evidently's page for the window, from bounded samples; it draws, the verdict is ours."""
    from mlops_assets.monitoring.evidently_page import draw

    if rows.height == 0:
        return None
    table = bench.table("reference_sample")
    reference = bench.platform.lake.read(table, window=f"v{scored.body['version']}").select(rows.columns)
    roles = {name: f.role.value for name, f in bench.declaration.features.items()}
    seed = bench.declaration.training.seed % 2**32
    path = report(bench, "evidently").with_suffix(".html")
    return draw(
        reference.sample(min(PAGE_ROWS, reference.height), seed=seed),
        rows.sample(min(PAGE_ROWS, rows.height), seed=seed),
        roles,
        path,
    )


def is_last(bench: Bench) -> bool:
    """Whether the window is the latest that has ended: people look at that one whatever it says."""
    today = datetime.now(UTC).date()
    ended = [w for w in declared_windows(bench.declaration, today) if w.end <= today]
    return not ended or window_of(bench).key >= ended[-1].key


def severity_check(severity: str, reason: str, evidence: str) -> GateResult:
    """A window's severity as a check: red from `act` on."""
    outcome: Verdict = (
        "not_measurable" if severity == "not_measurable" else "failed" if severity in ("act", "critical") else "passed"
    )
    return GateResult(
        "severity",
        outcome,
        None,
        None,
        "severity below act",
        f"{severity}: {reason}",
        {"severity": severity},
        {"verdict": evidence},
    )


def drift_table(verdict: DriftVerdict) -> list[dict[str, Any]]:
    """Columns of the verdict, worst first."""

    def row(c: ColumnDrift) -> dict[str, Any]:
        return {
            "column": c.name,
            "severity": c.severity,
            "PSI": c.value,
            "net of noise": c.effect,
            "p adjusted": c.p_value,
            "missing": c.null_share,
            "importance": c.importance,
            "why": c.reason,
        }

    return [row(c) for c in verdict.columns]


def metric_table(found: WindowPerformance) -> list[dict[str, Any]] | None:
    """Metrics of the window beside the reference's."""
    rows = [
        {
            "metric": name,
            "window": m.get("value"),
            "from": m.get("low"),
            "to": m.get("high"),
            "reference": m.get("reference"),
        }
        for name, m in found.metrics.items()
    ]
    return rows or None


def _with_columns(bench: Bench, matured: pl.DataFrame, window: str) -> pl.DataFrame:
    """The scored rows of the matured predictions, in their order, for slices and fairness."""
    rows = bench.platform.lake.read(bench.table(SCORED_ROWS), window=window)
    rows = rows.with_columns(pl.col(bench.declaration.id).cast(pl.String).alias("_id"))
    return matured.select(pl.col("id").alias("_id")).join(rows, on="_id", how="left", maintain_order="left")


def profile_of_champion(platform: Platform, model: str) -> tuple[Profile, dict[str, float]]:
    """The reference of the version that decides, without the target, and the importance of its features."""
    now = reign(platform.ledger, model)
    if now.champion is None:
        raise StageError(f"{model} has no champion yet, so there is no reference to compare with")
    run_id = registered(platform.ledger, model, now.champion).body["run_id"]
    profile = Profile.from_dict(platform.registry.evidence(run_id, "reference_profile"))
    target = platform.project.declaration(model).target.column
    found = platform.registry.evidence(run_id, "explanations")["importance"]["features"]
    kept = {name: column for name, column in profile.columns.items() if name not in (target, SCORE)}
    return Profile(profile.rows, kept), {f["feature"]: f["share"] for f in found}


def scored_windows(platform: Platform, model: str, most: int) -> list[pl.DataFrame]:
    """Inputs of the latest scored windows."""
    table = f"{model}/{SCORED_ROWS}"
    features = list(platform.project.declaration(model).features)
    return [platform.lake.read(table, window=w).select(features) for w in platform.lake.windows(table)[-most:]]
