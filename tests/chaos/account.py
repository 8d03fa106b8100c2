"""What a chaotic run cost and brought, read from the queue's billing ledger and from the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_airflow.simulator.queue.billing import LedgerEntry
    from tests.e2e.cluster_api import Row

COLUMNS = (
    "pattern",
    "asked for",
    "billed",
    "landed",
    "failed, not billed",
    "bought twice",
    "lost",
    "unresolved",
    "tries",
    "spent, USD",
    "wasted, USD",
    "wall time, s",
)
"""Of the table. Billed and bought twice are requests; the other counts are of clips."""

ENDED = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})


@dataclass(frozen=True)
class Account:
    """One pattern's result.

    :param asked: how many clips were asked for.
    :param billed: how many requests were billed.
    :param landed: how many of the clips landed.
    :param unbilled: how many clips failed, or were never ordered, and cost nothing.
    :param bought_twice: how many requests were billed beyond the first of each clip.
    :param lost: how many clips were paid for, and did not land, and are not looked for any more.
    :param unresolved: how many clips are still looked for, or wait for a person with all that is known.
    :param tries: how many tries the tasks needed, all together.
    :param wasted_usd: what was paid for requests whose clip no task has.
    """

    asked: int
    billed: int
    landed: int
    unbilled: int
    bought_twice: int
    lost: int
    unresolved: int
    tries: int
    spent_usd: float
    wasted_usd: float
    seconds: float

    def row(self, name: str) -> list[Any]:
        """Return the cells of the table."""
        counts = [self.asked, self.billed, self.landed, self.unbilled, self.bought_twice, self.lost]
        rest = [self.unresolved, self.tries, self.spent_usd, self.wasted_usd, round(self.seconds)]
        return [name, *counts, *rest]

    @property
    def balances(self) -> bool:
        """Whether each clip has landed and was billed once, or failed and was not billed."""
        return (
            not (self.bought_twice or self.lost or self.unresolved)
            and self.billed == self.landed
            and self.asked == self.landed + self.unbilled
        )


def landed_indexes(instances: Sequence[Row]) -> set[int]:
    """Return the map indexes of the clips that have landed."""
    return {
        row["map_index"]
        for row in instances
        if row["task_id"].endswith(".land") and row["state"] == "success"
    }


def settle(
    asked: Sequence[str],
    orders: Mapping[str, Sequence[LedgerEntry]],
    instances: Sequence[Row],
    *,
    buyer: str,
    unresolved: frozenset[int],
) -> Account:
    """Hold what was billed against what landed.

    :param asked: the prompts, in the order of the map indexes.
    :param orders: the billing ledger by prompt.
    :param instances: the run's task instances.
    :param buyer: the id of the task that submits.
    :param unresolved: map indexes whose submission waits, or asks, for a person.
    """
    billed = [[entry for entry in orders.get(prompt, ()) if entry.billed] for prompt in asked]
    landed = landed_indexes(instances)
    lost = [
        index for index, paid in enumerate(billed) if paid and index not in landed and index not in unresolved
    ]
    kept = sum(1 for index, paid in enumerate(billed) if paid and index not in lost)
    price = max((entry.amount_usd for paid in billed for entry in paid), default=0.0)
    return Account(
        asked=len(asked),
        billed=sum(map(len, billed)),
        landed=len(landed),
        unbilled=sum(1 for index, paid in enumerate(billed) if not paid and index not in unresolved),
        bought_twice=sum(len(paid) - 1 for paid in billed if paid),
        lost=len(lost),
        unresolved=len(unresolved),
        tries=sum(row["try_number"] for row in instances if row["task_id"] == buyer),
        spent_usd=sum(entry.amount_usd for paid in billed for entry in paid),
        wasted_usd=price * (sum(map(len, billed)) - kept),
        seconds=_seconds(instances),
    )


def _seconds(instances: Sequence[Row]) -> float:
    """Return the time from the first start to the last end."""
    starts = [datetime.fromisoformat(row["start_date"]) for row in instances if row["start_date"]]
    ends = [datetime.fromisoformat(row["end_date"]) for row in instances if row["end_date"]]
    return (max(ends) - min(starts)).total_seconds() if starts and ends else 0.0
