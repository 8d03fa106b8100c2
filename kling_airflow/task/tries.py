"""Which try of a task instance this is: the first, an automatic retry, or the first after a user's clear.

Airflow counts the tries of a task instance on and on. A clear of a task instance that isn't running raises
``max_tries`` to the tries so far plus the task's retries (Airflow 2.11 to 3.4); a retry leaves it as it is. A
clear of a *running* task instance leaves it as it is, too, and can't be told from a retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Tries:
    """What Airflow says of the tries of a task instance.

    :param number: this try, 1 for the first.
    :param max_tries: the task instance's ``max_tries``.
    :param retries: the task's ``retries``.
    :param run_cleared: whether a user may have cleared a task of the run, this one or another.
    :param late: whether a user has surely cleared a task of the run: a first try is then of a new map index.
    :param replaced: whether the task instance may replace an archived one, whose tries Airflow doesn't count.
    """

    number: int
    max_tries: int
    retries: int
    run_cleared: bool = True
    late: bool = False
    replaced: bool = False

    @classmethod
    def of(cls, context: Mapping[str, Any], *, retries: int) -> Self:
        """Return the tries of a running task; whatever Airflow doesn't say counts as a first try."""
        ti = context["ti"]
        max_tries = getattr(ti, "max_tries", None)
        number = getattr(ti, "try_number", None)
        # A clear of a loop's gate makes new task instances of the iterations after it (Airflow 3.4).
        clears = getattr(context.get("dag_run"), "clear_number", None)
        return cls(
            number=1 if number is None else int(number),
            max_tries=retries if max_tries is None else int(max_tries),
            retries=retries,
            run_cleared=clears is None or int(clears) > 0,
            late=int(clears or 0) > 0,
            replaced=context.get("loop") is not None and int(clears or 0) > 0,
        )

    @property
    def is_first(self) -> bool:
        """Whether no earlier try of this task instance can have bought anything."""
        return self.number <= 1 and not self.replaced

    @property
    def cleared(self) -> bool:
        """Whether a user has cleared the task instance, as far as that can be told."""
        return self.replaced or (self.number > 1 and self.max_tries != self.retries)

    @property
    def may_have_lost_memory(self) -> bool:
        """Whether an earlier try's task state store may have been discarded: only a clear does that.

        A clear of a running task shows in nothing but the run's count of clears.
        """
        return not self.is_first and (self.cleared or self.run_cleared)

    @property
    def may_have_moved(self) -> bool:
        """Whether another map index may have bought what this one asks for: the list has grown in a clear."""
        return self.is_first and self.late

    @property
    def is_retry(self) -> bool:
        """Whether Airflow itself runs the task again, or may do so: no user has asked for anything new.

        The first try after a clear has the number that follows the tries before the clear.
        """
        return self.number > 1 and self.number != self.max_tries - self.retries + 1

    @property
    def generation(self) -> int:
        """A number that is the same in all retries and another after each clear; 0 before the first clear."""
        return self.max_tries if self.number > 1 and self.max_tries != self.retries else 0
