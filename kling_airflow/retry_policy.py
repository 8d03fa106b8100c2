"""A retry policy for Airflow 3.3: it fails at once if no retry can help, and delays each other retry.

From Airflow 3.4 on, a task that the queue doesn't take now is run again later without using up a retry.

Needs Airflow 3.3; importing this module on an older one says so. Without it, tasks keep to their ``retries``
and ``retry_delay``, and those of the errors that are ``AirflowFailException`` fail at once all the same.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from kling_airflow import errors
from kling_airflow.task.stop import TaskStopped

try:
    from kling_airflow.airflow_compat import RetryDecision, RetryPolicy
except ImportError as missing:
    raise ImportError(
        "kling_airflow.retry_policy needs Airflow 3.3 or later: retry policies came with it. On an older one"
        " leave `retry_policy` out and use `retries` and `retry_delay`."
    ) from missing

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context

LONGEST: Final = timedelta(hours=1)
RESCHEDULE_FOR: Final = timedelta(hours=24)
_WAIT_GOES_ON: Final = "the wait goes on; nothing is bought"


class _Passing(NamedTuple):
    """An error that time mends.

    :param first: seconds before the first retry; each further one waits twice as long.
    :param why: for the log and the task instance.
    :param of_the_queue: whether nothing was sent because the queue has no room: no retry is used up for it.
    """

    kinds: tuple[type[Exception], ...]
    first: float
    why: str
    of_the_queue: bool = False


_PASSING: Final = (
    _Passing(
        (errors.NotAccepted,),
        300,
        "the queue is full, or the hourly limit reached; nothing was bought",
        of_the_queue=True,
    ),
    _Passing((errors.GenerationFailed,), 300, "it failed for a passing reason, which is not billed"),
    _Passing((errors.AmbiguousSubmission,), 60, "the lost request is looked for before anything is sent"),
    _Passing((errors.GenerationTimeout, errors.PollerCrashed, TaskStopped), 10, _WAIT_GOES_ON),
    _Passing((errors.Unreachable,), 60, "the queue gives no response now; nothing is bought by asking"),
    _Passing((errors.LedgerUnavailable, errors.Fenced), 30, "nothing is sent without the ledger"),
    _Passing((errors.DownloadFailed, errors.InvalidClip), 60, "the clip is downloaded again; it is paid for"),
    _Passing((errors.StorageFailed,), 60, "the store is asked again"),
)
_PERMANENT: Final = (errors.KlingError,)


class KlingRetryPolicy(RetryPolicy):
    """Decide by the errors of this package; leave every other exception to the task's own settings.

    :param longest: no retry waits longer, unless the queue itself asks for it (``Retry-After``).
    :param reschedule_for: how long a full queue uses up no retry, counted from the first time in a try that
        it was full; after that, it does. None for never. Before Airflow 3.4 it always does.
    """

    def __init__(
        self, longest: timedelta = LONGEST, reschedule_for: timedelta | None = RESCHEDULE_FOR
    ) -> None:
        _check("longest", longest)
        if reschedule_for is not None:
            _check("reschedule_for", reschedule_for)
        self.longest = longest
        self.reschedule_for = reschedule_for

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return whether to retry, when, and why. ``retries`` stays the limit."""
        passing = _passing(exception)
        if passing is not None:
            delay = self._delay(passing, exception, try_number)
            # From Airflow 3.4 on (airflow/sdk/definitions/retry_policy.py).
            reschedule: Any = getattr(RetryDecision, "reschedule", None)
            if passing.of_the_queue and self.reschedule_for is not None and reschedule is not None:
                decision: RetryDecision = reschedule(
                    delay, reschedule_timeout=self.reschedule_for, reason=passing.why
                )
                return decision
            return RetryDecision.retry(delay, passing.why)
        if isinstance(exception, _PERMANENT):
            return RetryDecision.fail(f"{type(exception).__name__}: a retry would meet the same.")
        return RetryDecision.default()

    def _delay(self, passing: _Passing, error: BaseException, try_number: int) -> timedelta:
        """Return the wait: twice as long each time, spread so that mapped tasks don't come back as one."""
        spread = random.uniform(1.0, 1.2)  # noqa: S311 -- jitter
        wait = passing.first * 2 ** min(max(try_number - 1, 0), 20) * spread
        told = getattr(error, "retry_after", None) or 0.0
        return timedelta(seconds=max(min(wait, self.longest.total_seconds()), told * spread))

    def serialize(self) -> dict[str, Any]:
        """Return the policy as plain JSON."""
        until = None if self.reschedule_for is None else self.reschedule_for.total_seconds()
        return {"longest": self.longest.total_seconds(), "reschedule_for": until}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """Return the policy that was serialized."""
        until = data.get("reschedule_for")
        return cls(timedelta(seconds=data["longest"]), None if until is None else timedelta(seconds=until))


def kling_retry_policy(
    *, longest: timedelta = LONGEST, reschedule_for: timedelta | None = RESCHEDULE_FOR
) -> KlingRetryPolicy:
    """Return the policy for ``retry_policy=`` of a task, or of ``default_args``.

    :param longest: no retry waits longer, unless the queue itself asks for it.
    :param reschedule_for: how long a full queue uses up no retry (Airflow 3.4 and later); None for never.
    """
    return KlingRetryPolicy(longest, reschedule_for)


def _check(name: str, value: object) -> None:
    if not isinstance(value, timedelta) or value <= timedelta():
        raise ValueError(f"`{name}` is {value!r}; it must be a positive timedelta.")


def _passing(error: BaseException) -> _Passing | None:
    """Return how an error passes; None where it doesn't, or isn't ours."""
    if getattr(error, "retryable", True) is False:
        return None
    return next((passing for passing in _PASSING if isinstance(error, passing.kinds)), None)
