"""What a storyboard costs, before anything is bought."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kling_airflow.prices import price_usd
from kling_airflow.storyboard.shot import Shot

Describe = Callable[[str], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class ShotPrice:
    """What a shot costs.

    :param shot: the shot.
    :param usd: one take, in US dollars; None if the price is not known.
    """

    shot: Shot
    usd: float | None

    @property
    def total_usd(self) -> float | None:
        """All takes, in US dollars; None if the price is not known."""
        return None if self.usd is None else round(self.usd * self.shot.takes, 6)


@dataclass(frozen=True, slots=True)
class StoryboardPrice:
    """What a storyboard costs.

    :param shots: each shot's price, in order.
    """

    shots: tuple[ShotPrice, ...]

    @property
    def total_usd(self) -> float | None:
        """All takes of all shots, in US dollars; None if the price of a shot is not known."""
        totals = [each.total_usd for each in self.shots]
        return None if None in totals else round(sum(total or 0.0 for total in totals), 6)

    @property
    def known_usd(self) -> float:
        """All takes of the shots whose price is known, in US dollars."""
        return round(sum(each.total_usd or 0.0 for each in self.shots), 6)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of the shots whose price is not known."""
        return tuple(each.shot.name for each in self.shots if each.usd is None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "total_usd": self.total_usd,
            "known_usd": self.known_usd,
            "shots": [
                {
                    "name": each.shot.name,
                    "model": each.shot.model,
                    "duration": each.shot.options.duration,
                    "sound": each.shot.options.sound,
                    "takes": each.shot.takes,
                    "usd": each.usd,
                    "total_usd": each.total_usd,
                }
                for each in self.shots
            ],
        }


def price(shots: Sequence[Shot], describe: Describe | None = None) -> StoryboardPrice:
    """Return what shots cost, by the higher of the table of models and the queue's catalog.

    :param describe: returns the catalog's entry of a model; each model is asked for once. None asks nothing.
    """
    descriptions: dict[str, Mapping[str, Any] | None] = {}
    found = []
    for shot in shots:
        if describe is not None and shot.model not in descriptions:
            descriptions[shot.model] = describe(shot.model)
        description = descriptions.get(shot.model)
        found.append(ShotPrice(shot, price_usd(shot.model, shot.options.to_json(), description=description)))
    return StoryboardPrice(tuple(found))
