"""Streams with the traits of well-known ones that cannot be shipped, and the moment at which something changes known.

Belongs here: drawing rows in the order of time. Not here: judging them (`published_streams.py`). None of the numbers is
anybody's data; what is taken over is what makes such streams hard: rows that remember, days and weeks, rare events that
come in bursts, numbers that are codes, columns that hardly vary, tails, rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.signal import lfilter

Generator = np.random.Generator
REFERENCE, BEFORE, AFTER = 12_000, 12_000, 8_000
"""Rows to compare with, rows in which nothing changes, rows since the change."""
ROWS = REFERENCE + BEFORE + AFTER


@dataclass(frozen=True)
class Change:
    """What is true from one row on.

    Attributes:
        at: first row.
        kinds: of the change; any of them, first or second, is the right answer.
        outcomes: it shows in outcomes alone; without them silence is the right answer.
        columns: that the first right cause should name; empty where none need be.
        until: first row in which it no longer is; None: it stays.
    """

    at: int
    kinds: tuple[str, ...]
    outcomes: bool = False
    columns: tuple[str, ...] = ()
    until: int | None = None


@dataclass(frozen=True)
class Stream:
    """Rows in the order of time, and what is true of them.

    Attributes:
        name: of the stream.
        rows: all of them; the first `reference` are compared with.
        reference: rows.
        changes: in order; none overlaps another.
        target, score, time, identifier: columns; empty where there is none.
        ignore: columns not to compare.
        sizes: rows of a window; empty: as the benchmark likes.
    """

    name: str
    rows: pl.DataFrame
    reference: int
    changes: tuple[Change, ...] = ()
    target: str = ""
    score: str = ""
    time: str = ""
    identifier: str = ""
    ignore: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()


def remembering(rows: int, memory: float, generator: Generator, columns: int = 1) -> np.ndarray:
    """Normal values of variance 1 of which each remembers the one before; shape (rows, columns)."""
    drawn = generator.normal(size=(rows + 1000, columns)) * np.sqrt(1 - memory**2)
    return lfilter([1], [1, -memory], drawn, axis=0)[1000:]  # type: ignore[index]


def logistic(odds: np.ndarray) -> np.ndarray:
    """Probabilities."""
    return 1 / (1 + np.exp(-odds))


def electricity(change: str, generator: Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Half-hours of a market: daily and weekly cycles, prices that remember, a label that compares with the week before.

    One column is the same at night and varies by day.
    """
    step = np.arange(ROWS)
    late = step >= REFERENCE + BEFORE
    period, day = step % 48, step // 48 % 7
    noise = remembering(ROWS, 0.95, generator, 4)
    cycle = np.sin(2 * np.pi * (period - 14) / 48) - 0.4 * (day >= 5)
    demand = 0.45 + 0.12 * cycle + 0.05 * noise[:, 0] + (0.12 * late if change == "population" else 0.0)
    price = np.exp(-3 + 0.6 * cycle + 0.5 * noise[:, 1])
    other = np.where(period < 16, 0.0035, np.exp(-5.5 + 0.4 * cycle + 0.3 * noise[:, 2]))
    mean = lfilter(np.ones(336) / 336, [1], price)
    odds = 3 * np.log(price / np.maximum(mean, 1e-3)) + 0.8 * noise[:, 3]
    y = generator.random(ROWS) < logistic(np.where(late, -odds, odds) if change == "relation" else odds)
    table = pl.DataFrame(
        {
            "day": day + 1,
            "period": (period / 47).round(6),
            "price": price.round(6),
            "demand": demand.round(6),
            "other_price": other.round(6),
            "transfer": (0.4 + 0.1 * noise[:, 2] - 0.3 * (demand - 0.45)).round(6),
            "class": np.where(y, "UP", "DOWN"),
        }
    )
    return table, logistic(odds)


def flights(change: str, generator: Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Flights day by day: codes as text and as numbers, hundreds of airports, days that are late as a whole."""
    day = np.arange(ROWS) // 800
    late = np.arange(ROWS) >= REFERENCE + BEFORE
    share = generator.dirichlet(np.ones(18) * 3)
    favoured = int(np.argsort(share)[12])
    airline = generator.choice(18, ROWS, p=share)
    if change == "population":
        airline = np.where(late & (generator.random(ROWS) < 0.2), favoured, airline)
    popular = 1 / np.arange(1, 291) ** 0.9
    places = generator.choice(290, (ROWS, 2), p=popular / popular.sum())
    minutes = np.clip(generator.normal(820, 280, ROWS), 10, 1439).round()
    length = np.clip(generator.gamma(3, 45, ROWS), 25, 650).round()
    of_airline = generator.normal(0, 0.6, 18)
    odds = (
        -0.3 + of_airline[airline] + 0.0022 * (minutes - 820) + 0.1 * remembering(day[-1] + 1, 0.3, generator)[day, 0]
    )
    truth = np.where(late & (minutes > 900), -odds, odds) if change == "relation" else odds
    truth = truth - (0.9 * late if change == "base rate" else 0.0)
    table = pl.DataFrame(
        {
            "airline": pl.Series(airline)
            .cast(pl.String)
            .replace_strict({str(i): f"A{chr(65 + i)}" for i in range(18)}),
            "flight": airline * 400 + generator.integers(1, 390, ROWS),
            "from": pl.Series([f"P{i:03d}" for i in places[:, 0]]),
            "to": pl.Series([f"P{i:03d}" for i in places[:, 1]]),
            "day_of_week": day % 7 + 1,
            "time": minutes.astype(int),
            "length": length.astype(int),
            "delay": (generator.random(ROWS) < logistic(truth)).astype(int),
        }
    )
    return table, logistic(odds)


def insects(change: str, generator: Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Six kinds, told by 24 numbers that all move with a temperature nobody records; it wanders, and once it jumps."""
    kind = generator.integers(0, 6, ROWS)
    late = np.arange(ROWS) >= REFERENCE + BEFORE
    warm = 0.3 * remembering(ROWS, 0.995, generator)[:, 0] + (1.3 * late if change == "population" else 0.0)
    centre, slope = generator.normal(0, 1.1, (6, 24)), generator.normal(0, 0.7, 24)
    shown = np.where(late & (kind == 2), 4, kind) if change == "relation" else kind
    values = centre[kind] + warm[:, None] * slope + generator.normal(size=(ROWS, 24))
    distance = ((values[:, None, :] - centre) ** 2).sum(2)
    table = pl.DataFrame({f"att{i + 1}": values[:, i].round(5) for i in range(24)})
    return table.with_columns(pl.Series("class", [f"kind {k}" for k in shown])), distance.argmin(1).astype(float)


def forest(change: str, generator: Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Places that are visited patch after patch: numbers rounded to whole ones, and many columns of 0 and 1."""
    patch = np.arange(ROWS) // 25
    patches = patch[-1] + 1
    late = np.arange(ROWS) >= REFERENCE + BEFORE
    high = 2900 + 280 * generator.normal(size=patches)[patch] + 40 * generator.normal(size=ROWS)
    high = high + (250 * late if change == "population" else 0.0)
    soil = np.clip((high - 2000) / 80 + generator.normal(0, 2, patches)[patch], 0, 19).astype(int)
    area = generator.choice(4, patches, p=(0.5, 0.3, 0.15, 0.05))[patch]
    water = np.abs(generator.gamma(1.2, 200, ROWS)).round()
    aspect = generator.uniform(0, 360, patches)[patch].round()
    odds = (high - 2900) / 150 - water / 400 + 0.5 * (area == 1)
    truth = np.where(late, odds - 2.4 * (area == 1), odds) if change == "relation" else odds
    table = pl.DataFrame(
        {
            "elevation": high.round().astype(int),
            "aspect": aspect.astype(int),
            "water": water.astype(int),
            **{f"area_{i}": (area == i).astype(int) for i in range(4)},
            **{f"soil_{i:02d}": (soil == i).astype(int) for i in range(20)},
            "cover": (generator.random(ROWS) < logistic(truth)).astype(int),
        }
    )
    return table, logistic(odds)


def intrusions(change: str, generator: Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Connections: attacks are rare and come in bursts; bytes with tails over six decades, mostly 0; rates in hundredths."""
    late = np.arange(ROWS) >= REFERENCE + BEFORE
    rate = np.where(late & (change == "base rate"), 0.09, 0.04)
    burst = remembering(ROWS, 0.8, generator)[:, 0]
    attack = logistic(2.2 * burst + np.log(rate / (1 - rate)) - 1.4) > generator.random(ROWS)
    shown = attack
    if change == "relation":
        shown = np.where(late, generator.permutation(attack), attack)
    size = np.where(
        generator.random(ROWS) < 0.35, 0, generator.lognormal(6, 2, ROWS) * np.where(attack, 0.2, 1)
    ).round()
    back = np.where(generator.random(ROWS) < 0.5, 0, generator.pareto(1.1, ROWS) * 300).round()
    many = generator.poisson(np.where(attack, 60, 9))
    strange = np.clip(generator.beta(0.3, np.where(attack, 0.5, 3)), 0, 1).round(2)
    service = generator.choice(60, ROWS, p=(w := 1 / np.arange(1, 61) ** 1.4) / w.sum())
    if change == "population":
        service = np.where(late & (generator.random(ROWS) < 0.12), 9, service)
    odds = -4.2 + 0.06 * many + 3 * strange - 0.1 * np.log1p(size)
    table = pl.DataFrame(
        {
            "protocol": generator.choice(["tcp", "udp", "icmp"], ROWS, p=(0.8, 0.17, 0.03)),
            "service": pl.Series([f"s{i}" for i in service]),
            "src_bytes": size.astype(int),
            "dst_bytes": back.astype(int),
            "count": many,
            "error_rate": strange,
            "urgent": (generator.random(ROWS) < 0.0004).astype(int),
            "land": np.zeros(ROWS, dtype=int),
            "label": np.where(shown, "attack", "normal"),
        }
    )
    return table, logistic(odds)


def sales(change: str, generator: Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Items sold a day and shop: weeks, offers, prices that end in .99, counts that are mostly 0."""
    day = np.arange(ROWS) // 100
    late = np.arange(ROWS) >= REFERENCE + BEFORE
    price = np.floor(generator.lognormal(2, 0.7, ROWS)) + 0.99
    offer = generator.random(ROWS) < 0.15
    shop = generator.integers(1, 41, ROWS)
    level = generator.normal(0, 0.4, 41)[shop] + 0.3 * np.isin(day % 7, (4, 5)) + 0.5 * offer - 0.25 * np.log(price)
    level = level + 0.05 * remembering(day[-1] + 1, 0.5, generator)[day, 0]
    truth = level + np.where(late, {"base rate": 0.5, "relation": 0.0}.get(change, 0.0), 0.0)
    if change == "relation":
        truth = np.where(late, truth - 1.0 * offer, truth)
    if change == "population":
        moved = late & (generator.random(ROWS) < 0.3)
        offer, truth = offer | moved, np.where(moved & ~offer, truth + 0.5, truth)
        level = np.where(moved, truth, level)
    expected = np.exp(1.2 + level)
    date = (pl.Series(day + 18_000, dtype=pl.Int32).cast(pl.Date)).cast(pl.String)
    table = pl.DataFrame(
        {
            "date": date,
            "shop": shop,
            "price": price.round(2),
            "offer": offer,
            "stock": generator.poisson(12, ROWS),
            "sold": generator.poisson(np.exp(1.2 + truth)).astype(float) + generator.normal(0, 0.3, ROWS).round(3),
        }
    )
    return table, expected


def regimes(change: str, generator: Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Two regimes that take turns every 400 rows, in inputs and in how often the outcome comes."""
    step = np.arange(ROWS)
    late = step >= REFERENCE + BEFORE
    second = (step // 400 % 2).astype(float)
    x = generator.normal(size=(ROWS, 5)) + second[:, None] * np.array([0.8, -0.5, 0.3, 0, 0])
    if change == "population":
        x[:, 3] += 0.7 * late
    odds = x[:, 0] - 0.8 * x[:, 3] + 0.6 * x[:, 4] - 0.5
    truth = np.where(late, odds - 1.6 * x[:, 0], odds) if change == "relation" else odds
    table = pl.DataFrame({f"x{i}": x[:, i] for i in range(5)})
    return table.with_columns(y=(generator.random(ROWS) < logistic(truth)).astype(int)), logistic(odds)


def payments(change: str, generator: Generator) -> tuple[pl.DataFrame, np.ndarray]:
    """Card payments: a merchant and a person with tens of thousands of values each, dates as text, 2 % of fraud."""
    late = np.arange(ROWS) >= REFERENCE + BEFORE
    amount = np.round(generator.lognormal(3.2, 1.3, ROWS), 2)
    hour = (generator.beta(4, 2.5, ROWS) * 24).astype(int)
    country = generator.choice(["AT", "DE", "FR", "IT", "ES", "other"], ROWS, p=(0.5, 0.25, 0.1, 0.08, 0.05, 0.02))
    if change == "population":
        country = np.where(late & (generator.random(ROWS) < 0.1), "ES", country)
    odds = -6.2 + 0.55 * np.log(amount) + 1.2 * (country == "other") + 0.9 * (hour < 6)
    odds = odds + 0.4 * (country == "ES")
    truth = odds + np.where(late & (change == "base rate"), 0.8, 0.0)
    people, shops = generator.zipf(1.25, ROWS) % 30_000, generator.zipf(1.4, ROWS) % 20_000
    day = pl.Series(np.arange(ROWS) // 600 + 18_500, dtype=pl.Int32).cast(pl.Date)
    table = pl.DataFrame(
        {
            "payment id": pl.Series([f"t{i:07x}" for i in generator.permutation(ROWS)]),
            "day": day.cast(pl.String),
            "person": pl.Series([f"c{i}" for i in people]),
            "merchant": shops,
            "amount": amount,
            "hour": hour,
            "country": country,
            "currency": "EUR",
            "fraud": generator.random(ROWS) < logistic(truth),
        }
    )
    return table, logistic(odds)


KINDS = {"population": "covariate_shift", "relation": "concept_drift", "base rate": "label_shift"}
Draw = Callable[[str, Generator], tuple[pl.DataFrame, np.ndarray]]
DRAWN: dict[str, tuple[Draw, str, str, tuple[str, ...], tuple[str, ...]]] = {
    # name: rows, target, column of the score, changes, columns that the changed population shows in
    "electricity": (electricity, "class", "", ("population", "relation"), ("demand",)),
    "flights": (flights, "delay", "score", ("population", "relation", "base rate"), ("airline",)),
    "insects": (insects, "class", "", ("population", "relation"), ()),
    "forest": (forest, "cover", "", ("population", "relation"), ("elevation",)),
    "intrusions": (intrusions, "label", "score", ("population", "relation", "base rate"), ("service",)),
    "sales": (sales, "sold", "score", ("population", "relation", "base rate"), ("offer",)),
    "regimes": (regimes, "y", "", ("population", "relation"), ("x3",)),
    "payments": (payments, "fraud", "score", ("population", "base rate"), ("country",)),
}


def invented_streams(seed: int, names: Sequence[str] = ()) -> list[Stream]:
    """All of them, or those whose name begins with one of `names`."""
    found = []
    for number, (name, (draw, target, score, changes, columns)) in enumerate(DRAWN.items()):
        for position, change in enumerate(changes):
            full = f"{name}, {change}"
            if names and not full.startswith(tuple(names)):
                continue
            rows, told = draw(change, np.random.default_rng([seed, number, position]))
            if score:
                rows = rows.with_columns(pl.Series(score, told))
            kinds = (KINDS[change],)
            if change == "relation":
                # A relation that changes takes the frequency of the outcome with it.
                kinds = ("concept_drift", "label_shift")
            at = REFERENCE + BEFORE
            named = columns if change == "population" else ()
            # Attacks that come more often bring their inputs with them: scores alone tell of them.
            truth = Change(at, kinds, change != "population" and full != "intrusions, base rate", named)
            found.append(Stream(full, rows, REFERENCE, (truth,), target, score))
    return found
