"""What clips of a model and duration have lately taken: where calls are scarce, the young stand back."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

MIN_SAMPLES: Final = 5
"""Fewer ends than this teach nothing."""
LONGEST_UNRIPE: Final = 120.0
"""Seconds for which a request stands back at most, whatever was learned."""
_KEPT_SAMPLES = 20
_KEPT_KINDS = 100
_FORGOTTEN_AFTER = 3600.0

Kind = tuple[str, int | None]
"""A model and the seconds of clip that were asked for."""


class ClipDurations:
    """The times that recent requests took from submission to end, failures among them, by kind.

    The shortest of them counts, not the average. Nobody is left alone for what was learned: a clip may be
    quicker than all before it. It only says who stands back where the pace can't carry a look at everyone.
    """

    def __init__(self) -> None:
        self._ends: OrderedDict[Kind, deque[tuple[float, float]]] = OrderedDict()
        self._known: dict[Kind, float | None] = {}
        self._known_at = 0.0

    def note(self, kind: Kind, seconds: float, now: float) -> None:
        """Remember an end.

        :param seconds: from submission to end, by the queue's own clock.
        :param now: the clock that :meth:`unripe_for` is given, too.
        """
        if seconds < 0:
            return
        self._ends.setdefault(kind, deque(maxlen=_KEPT_SAMPLES)).append((now, seconds))
        self._ends.move_to_end(kind)
        self._known.pop(kind, None)
        while len(self._ends) > _KEPT_KINDS:
            self._ends.popitem(last=False)

    def shortest(self, kind: Kind, now: float) -> float | None:
        """Return the shortest time of late, in seconds; None where too little is known."""
        if now != self._known_at:
            self._known, self._known_at = {}, now
        if kind not in self._known:  # a round asks for thousands of one kind at one moment
            recent = [seconds for at, seconds in self._ends.get(kind, ()) if now - at <= _FORGOTTEN_AFTER]
            self._known[kind] = min(recent) if len(recent) >= MIN_SAMPLES else None
        return self._known[kind]

    def unripe_for(self, kind: Kind, age: float, interval: float, now: float) -> float:
        """Return the seconds until a request that is still active can be expected to end; 0 for now.

        :param age: seconds since its submission, by the queue's own clock.
        :param interval: seconds between two looks: it is ripe one of them before its time.
        """
        shortest = self.shortest(kind, now)
        return 0.0 if shortest is None else max(0.0, min(shortest - interval - age, LONGEST_UNRIPE))
