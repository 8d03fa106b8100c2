"""When a call that changes nothing is repeated, and how often: the same for both clients."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import ResponseTooLarge, Unreachable

if TYPE_CHECKING:
    from tenacity import RetryCallState


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential backoff with jitter; the pause is never shorter than ``Retry-After``.

    :param attempts: number of calls at most, the first one included.
    :param base: seconds of the first pause, before jitter.
    :param longest: seconds of the longest pause. If ``Retry-After`` is longer, the error is raised with it at
        once, and the caller decides.
    """

    attempts: int = 5
    base: float = 1.0
    longest: float = 30.0

    def settings(self) -> dict[str, Any]:
        """Return the arguments for tenacity's ``Retrying`` or ``AsyncRetrying``."""
        from tenacity import retry_if_exception, stop_after_attempt

        return {
            "stop": stop_after_attempt(self.attempts),
            "wait": self.wait,
            "retry": retry_if_exception(self._may_be_repeated),
            "reraise": True,
        }

    def _may_be_repeated(self, error: BaseException) -> bool:
        if isinstance(error, ResponseTooLarge) or not isinstance(error, Unreachable):
            return False
        return (error.retry_after or 0.0) <= self.longest

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds before the next call, as tenacity asks."""
        ceiling = min(self.longest, self.base * 2 ** (state.attempt_number - 1))
        jittered = random.uniform(ceiling / 2, ceiling)  # noqa: S311 -- spreads load, hides nothing
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, Unreachable) else None
        return max(jittered, asked or 0.0)
