"""A retry policy for Airflow 3.3: it fails at once if no retry can help, and delays each other retry.

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
_WAIT_GOES_ON: Final = "the wait goes on; nothing is bought"


class _Passing(NamedTuple):
    """An error that time mends.

    :param first: seconds before the first retry; each further one waits twice as long.
    :param why: for the log and the task instance.
    """

    kinds: tuple[type[Exception], ...]
    first: float
    why: str


_PASSING: Final = (
    _Passing(
        (errors.NotAccepted,), 300, "the queue is full, or the hourly limit reached; nothing was bought"
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
    """

    def __init__(self, longest: timedelta = LONGEST) -> None:
        if not isinstance(longest, timedelta) or longest <= timedelta():
            raise ValueError(f"`longest` is {longest!r}; it must be a positive timedelta.")
        self.longest = longest

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return whether to retry, when, and why. ``retries`` stays the limit."""
        passing = _passing(exception)
        if passing is not None:
            return RetryDecision.retry(self._delay(passing, exception, try_number), passing.why)
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
        return {"longest": self.longest.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """Return the policy that was serialized."""
        return cls(timedelta(seconds=data["longest"]))


def kling_retry_policy(*, longest: timedelta = LONGEST) -> KlingRetryPolicy:
    """Return the policy for ``retry_policy=`` of a task, or of ``default_args``.

    :param longest: no retry waits longer, unless the queue itself asks for it.
    """
    return KlingRetryPolicy(longest)


def _passing(error: BaseException) -> _Passing | None:
    """Return how an error passes; None where it doesn't, or isn't ours."""
    if getattr(error, "retryable", True) is False:
        return None
    return next((passing for passing in _PASSING if isinstance(error, passing.kinds)), None)
