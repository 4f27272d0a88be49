"""Return on governance on a page: what is counted, and apart from it what is estimated. One self-contained HTML file."""

from mlops_assets.evidence.blocks import Block, Facts, Paragraph
from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.coverage import NO_DATA, Coverage
from mlops_assets.evidence.reading import number, table
from mlops_assets.evidence.roi import FILE, Assumptions, ModelRoi, Release, RoiReport


def render(found: RoiReport, fleet: str = "fleet.html") -> str:
    """The page as HTML text."""
    return render_template(
        "roi.html.j2",
        fleet=fleet,
        models=len(found.models),
        counted=counted(found),
        estimated=estimated(found),
        file=FILE,
    )


def counted(found: RoiReport) -> list[Block]:
    """What was counted from the ledger."""
    per_model = [
        {
            "model": m.model,
            "versions released": len(m.releases),
            "gate decisions": sum(m.gates.values()),
            "not passed": sum(n for outcome, n in m.gates.items() if outcome != "passed"),
            "windows judged": m.windows,
            "alarms": m.alarms,
            "incidents": ", ".join(f"{n} {disposition}" for disposition, n in m.incidents.items()) or "none",
            "examined": m.examined,
            "precision of alarms": _precision(m),
            "retrainings avoided": len(m.avoided),
        }
        for m in found.models
    ]
    avoided = (
        "Retrainings avoided: data-quality faults for which a rule that retrains at every alarm would have trained."
    )
    blocks: list[Block] = [table(per_model, title="By model", note=avoided, limit=200)] if per_model else []
    releases = [
        {
            "model": m.model,
            "version": r.version,
            "from rows to champion": _duration(r.hours),
            "cause": r.cause or "first training, or a training that a person started",
            "compared with the champion": _gain(r),
        }
        for m in found.models
        for r in m.releases
    ]
    if releases:
        note = "Differences are measured on the same held-out rows. Intervals are paired, as the performance gate recorded them."
        blocks.append(table(releases, title="Releases", note=note, limit=200))
    if not blocks:
        blocks = [Paragraph("Nothing is recorded yet.", "muted")]
    return [*blocks, *_coverage(found.coverage)]


def estimated(found: RoiReport) -> list[Block]:
    """What follows from the declared hours."""
    rows = [
        {
            "what": line.what,
            "count": line.count,
            "hours each": line.hours_each,
            "source of the hours": FILE if line.declared else "default",
            "hours": line.hours,
        }
        for line in found.lines
    ]
    total = f"Hours saved minus hours spent: about {number(float(round(found.hours)))}."
    rate = found.assumptions.hourly_rate
    if rate is not None:
        total += f" At {number(rate)} {found.assumptions.currency} an hour: about {number(float(round(found.hours * rate)))}."
    return [
        table(rows, title="Estimate", note="Negative hours are spent because of governance."),
        Paragraph(total),
        table(
            [
                {"assumption": name.replace("_", " "), "meaning": field.description or "", "value": value}
                for name, field in Assumptions.model_fields.items()
                if (value := getattr(found.assumptions, name)) not in (None, "")
            ],
            title="Assumptions",
        ),
    ]


def _coverage(found: Coverage | None) -> list[Block]:
    """What is governed of the models that are known to exist."""
    if found is None:
        return [Facts((("Coverage of known models", NO_DATA),))]
    return [Facts((("Coverage of known models", found.text), ("Last searches", found.searched)))]


def _precision(model: ModelRoi) -> str:
    found = model.precision
    if not found or found.get("precision") is None:
        return "not known: no incident was closed"
    return f"{number(found['precision'])} ({number(found['low'])} to {number(found['high'])})"


def _duration(hours: float | None) -> str:
    if hours is None:
        return "–"
    if hours < 1:
        return f"{hours * 60:.0f} min" if hours >= 1 / 60 else f"{hours * 3600:.0f} s"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def _gain(release: Release) -> str:
    if release.difference is None:
        return "no champion at that time"
    return f"{release.metric} {release.difference:+.3f} ({release.low:+.3f} to {release.high:+.3f}) on {number(release.rows)} rows"
