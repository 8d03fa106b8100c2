"""What the clips of the gallery cost, by day and DAG, as the numbers and as the bars of a chart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from kling_airflow.gallery.entry import GalleryEntry

DAYS: Final = 30
_DAGS: Final = 6
OTHERS: Final = "other DAGs"
_WIDTH, _HEIGHT, _BAR = 720.0, 120.0, 0.7


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a day's bar, in the units of the picture.

    :param rank: the DAG's place in the legend, from 0.
    """

    x: float
    y: float
    width: float
    height: float
    rank: int
    title: str


@dataclass(frozen=True, slots=True)
class Spend:
    """The chart of the last days.

    :param total_usd: of all clips whose price is known, of all days.
    :param clips: how many were counted.
    :param unknown: how many clips have no known price.
    :param dags: the legend: each DAG with its sum in these days.
    :param days: the first and the last day of the chart.
    :param top_usd: the most that a day has cost.
    """

    total_usd: float
    clips: int
    unknown: int
    dags: list[tuple[str, float]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    days: tuple[str, str] = ("", "")
    top_usd: float = 0.0
    width: float = _WIDTH
    height: float = _HEIGHT

    @property
    def top(self) -> str:
        """The most that a day has cost, for the axis."""
        return f"${self.top_usd:,.2f}"


def spend(entries: Iterable[GalleryEntry], days: int = DAYS) -> Spend:
    """Return what clips cost. A film costs nothing of its own, and a clip that landed twice was bought once.

    The chart ends with the day of the newest clip: an old gallery shows its last days, not an empty month.
    """
    clips = {entry.request_id: entry for entry in entries if entry.kind == "clip"}
    priced = [entry for entry in clips.values() if entry.cost_usd is not None]
    total = sum(entry.cost_usd or 0.0 for entry in priced)
    if not priced:
        return Spend(0.0, 0, len(clips))
    last = max(date.fromisoformat(entry.day) for entry in priced)
    first = last - timedelta(days=days - 1)
    sums: dict[tuple[str, str], float] = {}
    for entry in priced:
        if entry.day >= first.isoformat():
            key = (entry.day, entry.dag_id)
            sums[key] = sums.get(key, 0.0) + (entry.cost_usd or 0.0)
    dags = _legend(sums)
    top = max(_by_day(sums).values())
    bars = _bars(sums, [dag for dag, _ in dags], first, days, top)
    return Spend(
        round(total, 6),
        len(priced),
        len(clips) - len(priced),
        dags,
        bars,
        (first.isoformat(), last.isoformat()),
        top,
    )


def _legend(sums: dict[tuple[str, str], float]) -> list[tuple[str, float]]:
    by_dag: dict[str, float] = {}
    for (_, dag), usd in sums.items():
        by_dag[dag] = by_dag.get(dag, 0.0) + usd
    ranked = sorted(by_dag.items(), key=lambda each: (-each[1], each[0]))
    rest = sum(usd for _, usd in ranked[_DAGS:])
    return ranked[:_DAGS] + ([(OTHERS, rest)] if len(ranked) > _DAGS else [])


def _by_day(sums: dict[tuple[str, str], float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for (day, _), usd in sums.items():
        found[day] = found.get(day, 0.0) + usd
    return found


def _bars(
    sums: dict[tuple[str, str], float], dags: list[str], first: date, days: int, top: float
) -> list[Bar]:
    step = _WIDTH / days
    ranks = {dag: rank for rank, dag in enumerate(dags)}
    stacks: dict[tuple[str, int], float] = {}
    for (day, dag), usd in sums.items():
        place = (day, ranks.get(dag, len(dags) - 1))
        stacks[place] = stacks.get(place, 0.0) + usd
    bars, filled = [], dict.fromkeys((day for day, _ in stacks), 0.0)
    for (day, rank), usd in sorted(stacks.items()):
        high = usd / top * _HEIGHT if top else 0.0
        x = (date.fromisoformat(day) - first).days * step
        filled[day] += high
        title = f"{day}, {dags[rank]}: ${usd:,.2f}"
        bars.append(
            Bar(
                round(x, 2),
                round(_HEIGHT - filled[day], 2),
                round(step * _BAR, 2),
                round(high, 2),
                rank,
                title,
            )
        )
    return bars
