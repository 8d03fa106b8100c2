"""The statuses of a request over time: planned when the request is created."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from kling_airflow.simulator.settings import Settings


class Status(StrEnum):
    """The statuses of a request, as the vendor's SDK lists them."""

    CREATED = "created"
    QUEUED = "queued"
    DISPATCHED = "dispatched"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class Timeline:
    """The statuses a request passes through, and when.

    :param steps: each status with the second after creation at which it begins; the first begins at 0.
    :param done: the second after creation at which the generation ends.
    """

    steps: tuple[tuple[Status, float], ...]
    done: float

    def at(self, elapsed: float) -> tuple[Status, float]:
        """Return the status after so many seconds, and the second at which it began."""
        current = self.steps[0]
        for step in self.steps:
            if step[1] <= elapsed:
                current = step
        return current

    @property
    def announced(self) -> Status:
        """The status in the answer to the POST. The vendor documents `queued` and `dispatched` only."""
        first = self.steps[0][0]
        return first if first is Status.DISPATCHED else Status.QUEUED


_PATHS = (
    (Status.QUEUED, Status.DISPATCHED, Status.PROCESSING),
    (Status.DISPATCHED, Status.PROCESSING),
    (Status.CREATED, Status.QUEUED, Status.PROCESSING),
)
_PATH_WEIGHTS = (7, 2, 1)
_SHARES = (0.0, 0.04, 0.10)


def plan(rng: Random, settings: Settings, clip_seconds: int) -> Timeline:
    """Return the timeline of one request.

    :param rng: decides the statuses and how long the generation takes.
    :param clip_seconds: the length of the clip that was asked for.
    """
    if settings.generation_seconds is None:
        usual = 90.0 + 15.0 * clip_seconds
        done = usual * rng.uniform(0.85, 1.15)
    else:
        done = settings.generation_seconds
    done = 0.0 if settings.transitions == "immediate" else done / settings.speed
    path = rng.choices(_PATHS, _PATH_WEIGHTS)[0]
    steps = tuple((status, done * share) for status, share in zip(path, _SHARES, strict=False))
    return Timeline(steps, done)
