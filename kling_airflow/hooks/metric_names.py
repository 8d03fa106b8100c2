"""Every metric that this package sends: the one list for the code, the docs, the dashboards and the alerts.

The variable parts of a metric are in its name, because plain StatsD has no tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final

PREFIX: Final = "kling"
_UNUSABLE: Final = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, or the metrics of one name whose parts vary.

    :param name: without the prefix; parts in capitals vary, as in ``calls.KIND.OUTCOME``.
    :param kind: ``gauge``, ``counter`` or ``timer``.
    :param says: what the figure is.
    :param parts: the values of each varying part; none for a part that may be any text.
    """

    name: str
    kind: str
    says: str
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """The name with its prefix, as the docs write it."""
        return f"{PREFIX}.{self.name}"

    def of(self, **values: str) -> str:
        """Return the name that is sent. A value that is not in the list is sent, too: a wait must go on.

        :param values: a value for each varying part.
        """
        parts = {part: _UNUSABLE.sub("_", value) or "unknown" for part, value in values.items()}
        return ".".join(parts.get(word, word) for word in self.full_name.split("."))

    def patterns(self) -> Iterator[str]:
        """Yield a regular expression for each name that is sent."""
        words = self.full_name.split(".")
        choices = [self.parts.get(word, (word,)) or ("[a-zA-Z0-9_-]+",) for word in words]
        yield from (r"\.".join(chosen) for chosen in product(*choices))


IN_FLIGHT: Final = Metric("requests_in_flight", "gauge", "requests with at least one waiter")
CALLS: Final = Metric(
    "calls.KIND.OUTCOME",
    "counter",
    "calls to the queue",
    {
        "KIND": ("id", "list", "check"),
        "OUTCOME": ("ok", "not_found", "limited", "unauthorized", "too_large", "failed"),
    },
)
DETECTION_LAG: Final = Metric(
    "detection_lag", "timer", "from the queue's own time of an end to the look that shows it"
)
GENERATION_DURATION: Final = Metric(
    "generation_duration.MODEL.SECONDS",
    "timer",
    "from submission to success, by model and length of clip",
    {"MODEL": (), "SECONDS": ()},
)
PAUSES: Final = Metric(
    "pauses.REASON", "counter", "pauses of a connection", {"REASON": ("rate_limit", "unreachable")}
)
PAUSE_DURATION: Final = Metric(
    "pause_duration.REASON", "timer", "length of the pauses", {"REASON": ("rate_limit", "unreachable")}
)

METRICS: Final = (IN_FLIGHT, CALLS, DETECTION_LAG, GENERATION_DURATION, PAUSES, PAUSE_DURATION)
