"""How long recent generations took, by model and clip length.

When the rate limit can't cover all requests, recently submitted requests are polled last.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

MIN_SAMPLES: Final = 5
"""Number of recent ends that are needed before a duration is used."""
MAX_LOW_PRIORITY: Final = 120.0
"""Seconds for which a request has low priority at most, whatever was learned."""
_SAMPLES_KEPT = 20
_KEYS_KEPT = 100
_SAMPLE_MAX_AGE = 3600.0

ModelAndLength = tuple[str, int | None]
"""A model and the clip length that was asked for, in seconds; None if the length is not known."""


class GenerationDurations:
    """The seconds that recent requests took from submission to end, failures included.

    The shortest duration counts, not the average. No look is put off because of a duration: a clip may be
    quicker than all clips before it. A duration only sets the order of looks when the rate limit can't cover
    all requests.
    """

    def __init__(self) -> None:
        self._samples: OrderedDict[ModelAndLength, deque[tuple[float, float]]] = OrderedDict()
        self._shortest: dict[ModelAndLength, float | None] = {}
        self._shortest_at = 0.0

    def record(self, key: ModelAndLength, seconds: float, now: float) -> None:
        """Record an end.

        :param seconds: from submission to end, by the queue's own clock.
        :param now: the same clock that :meth:`likely_end_in` is told.
        """
        if seconds < 0:
            return
        self._samples.setdefault(key, deque(maxlen=_SAMPLES_KEPT)).append((now, seconds))
        self._samples.move_to_end(key)
        self._shortest.pop(key, None)
        while len(self._samples) > _KEYS_KEPT:
            self._samples.popitem(last=False)

    def shortest(self, key: ModelAndLength, now: float) -> float | None:
        """Return the shortest duration of the last hour, in seconds; None with too few samples."""
        if now != self._shortest_at:
            self._shortest, self._shortest_at = {}, now
        if key not in self._shortest:  # one round asks thousands of times for one key at one moment
            recent = [seconds for at, seconds in self._samples.get(key, ()) if now - at <= _SAMPLE_MAX_AGE]
            self._shortest[key] = min(recent) if len(recent) >= MIN_SAMPLES else None
        return self._shortest[key]

    def likely_end_in(self, key: ModelAndLength, age: float, interval: float, now: float) -> float:
        """Return the seconds in which an active request is not likely to end; 0 if its end is likely now.

        :param age: seconds since the request's submission, by the queue's own clock.
        :param interval: seconds between two looks. Priority returns one interval before the likely end.
        """
        shortest = self.shortest(key, now)
        return 0.0 if shortest is None else max(0.0, min(shortest - interval - age, MAX_LOW_PRIORITY))
