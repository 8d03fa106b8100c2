"""How far each shot of a storyboard has come, as a deferral carries it through Airflow's database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from kling_airflow.errors import KlingError, Money
from kling_airflow.storyboard.shot import Shot, take_name

if TYPE_CHECKING:
    from kling_airflow.storyboard.board import Storyboard


class Phase(StrEnum):
    """What is next for a shot."""

    READY = "ready"
    """It is to be submitted, or looked for, at ``later_at``."""
    WAITING = "waiting"
    """Its request is in the queue."""
    FINISHED = "finished"
    """Its clip is there, and is to be landed."""
    LANDED = "landed"
    """Its clip is in the destination."""
    FAILED = "failed"
    """It has no clip, and this try goes on without it."""


OPEN = (Phase.READY, Phase.WAITING, Phase.FINISHED)
"""Phases in which something is still to be done."""


@dataclass(slots=True)
class ShotProgress:
    """One take of a shot, and how far it has come in this try. All times are Unix seconds.

    :param name: the take's name, which names its files.
    :param shot: the shot's name.
    :param take: the number of the take, 1 for the first.
    :param phase: what is next.
    :param until: until when to keep trying while the queue says "not now"; None before the first attempt.
    :param later_at: when it is submitted, or looked for, again; None for now.
    :param in_doubt: fingerprint and take of the order whose POST may have arrived; None if there is none.
    :param earlier: how many requests of this order have failed before.
    :param request_id: the request's id; None while it isn't known.
    :param model: the request's model.
    :param deadline: when the wait for the request gives up.
    :param clip: the clip as it was handed on; None until it is there, and again after it has landed.
    :param landed: what the landing returned; None until then.
    :param cost_usd: what the clip costs; None while that isn't known.
    :param error: what went wrong, as :func:`error_to_json` writes it; None if nothing did.
    :param removed: whether the storyboard doesn't have the take any more: its clip lands, and none of its
        failures fails the task.
    """

    name: str
    shot: str
    take: int
    phase: Phase = Phase.READY
    until: float | None = None
    later_at: float | None = None
    in_doubt: list[Any] | None = None
    earlier: int = 0
    request_id: str | None = None
    model: str | None = None
    deadline: float | None = None
    clip: dict[str, Any] | None = None
    landed: dict[str, Any] | None = None
    cost_usd: float | None = None
    error: dict[str, Any] | None = None
    removed: bool = False

    @property
    def key(self) -> str:
        """The take's name in the ledger: it stays the same if the shot gets more takes."""
        return f"{self.shot}.{self.take}"

    @property
    def in_flight(self) -> bool:
        """Whether the queue has, or may have, a request that has not ended."""
        return self.phase is Phase.WAITING or (self.phase is Phase.READY and self.in_doubt is not None)

    def fail(self, error: KlingError) -> None:
        """Note that this try goes on without the shot."""
        self.phase, self.error = Phase.FAILED, error_to_json(error)
        self.clip = self.later_at = self.deadline = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without what isn't known."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None and value != 0}

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Return what another process wrote, of this or another version of the package."""
        known = {each.name: data[each.name] for each in fields(cls) if each.name in data}
        return cls(**{**known, "phase": Phase(known.get("phase", Phase.READY))})


@dataclass(slots=True)
class BoardProgress:
    """All takes of a storyboard, in order.

    :param takes: by the take's name.
    """

    takes: dict[str, ShotProgress] = field(default_factory=dict)

    @classmethod
    def of(cls, board: Storyboard) -> Self:
        """Return the progress of a storyboard that has just begun."""
        found = cls()
        for shot in board:
            for take in range(1, shot.takes + 1):
                name = take_name(shot.name, take, shot.takes)
                found.takes[name] = ShotProgress(name, shot.name, take, model=shot.model)
        return found

    @classmethod
    def read(cls, data: Sequence[Mapping[str, Any]]) -> Self:
        """Return what another process wrote."""
        return cls({each.name: each for each in map(ShotProgress.read, data)})

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain JSON."""
        return [each.to_json() for each in self.takes.values()]

    def of_phase(self, *phases: Phase) -> list[ShotProgress]:
        """Return the takes in some phases, in order."""
        return [each for each in self.takes.values() if each.phase in phases]

    def of_shot(self, shot: Shot) -> list[ShotProgress]:
        """Return the takes of a shot."""
        return [each for each in self.takes.values() if each.shot == shot.name]


def error_to_json(error: KlingError) -> dict[str, Any]:
    """Return an error as plain JSON."""
    from kling_airflow.airflow_compat import AirflowFailException
    from kling_airflow.exceptions import as_airflow

    retryable = not isinstance(as_airflow(error), AirflowFailException)
    return {
        "kind": type(error).__name__,
        "what": error.what,
        "money": error.money.name,
        "todo": error.todo,
        "request_id": error.request_id,
        "retryable": retryable,
    }


def money_of(error: Mapping[str, Any]) -> Money:
    """Return the word about money of an error in JSON."""
    return Money.__members__.get(str(error.get("money")), Money.UNKNOWN)
