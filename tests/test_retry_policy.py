"""The retry policy: what it decides, and that it gets through Airflow's own serialization and runner."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import errors, exceptions
from kling_airflow.task.stop import TaskStopped
from tests.airflow_versions import needs_airflow_here

needs_airflow_here("3.3", "retry policies")

from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryPolicy  # noqa: E402

from kling_airflow.retry_policy import KlingRetryPolicy, kling_retry_policy  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)


CAN_RESCHEDULE = hasattr(RetryAction, "RESCHEDULE")  # from Airflow 3.4 on


def decide(error: BaseException, try_number: int = 1, policy: RetryPolicy | None = None) -> Any:
    return (policy or kling_retry_policy()).evaluate(error, try_number, 5)


PASSING: list[tuple[Exception, float]] = [
    (errors.NotAccepted("full"), 300),
    (errors.NotAccepted("full", retry_after=900), 900),
    (errors.NotAccepted("full", retry_after=7200), 7200),
    (errors.GenerationFailed("rate limit", retryable=True), 300),
    (errors.AmbiguousSubmission("lost"), 60),
    (errors.Unreachable("down"), 60),
    (errors.Unreachable("down", retry_after=120), 120),
    (errors.ResponseTooLarge("large"), 60),
    (errors.GenerationTimeout("slow"), 10),
    (errors.PollerCrashed("defect"), 10),
    (TaskStopped.while_submitting(durable=True, sent=True), 10),
    (errors.LedgerUnavailable("away"), 30),
    (errors.Fenced("overtaken"), 30),
    (errors.DownloadFailed("cut"), 60),
    (errors.InvalidClip("short"), 60),
    (errors.StorageFailed("denied"), 60),
]
PERMANENT: list[Exception] = [
    errors.BudgetExceeded("b"),
    errors.DestinationTaken("x"),
    errors.InvalidArgument("p"),
    errors.Unauthorized("k"),
    errors.InsufficientCredits("c"),
    errors.NotFound("n"),
    errors.Rejected("r"),
    errors.WrongService("w"),
    errors.UnresolvedSubmission("u"),
    errors.GenerationFailed("content"),
    errors.GenerationFailed("no clip", money=errors.Money.SPENT),
    errors.GenerationCancelled("c"),
    errors.InvalidFrame("f"),
    errors.DownloadFailed("too large", retryable=False),
    errors.UnreadableRecord("version 99"),
]


@pytest.mark.parametrize(("error", "wait"), PASSING, ids=lambda value: repr(value))
def test_each_passing_error_has_its_own_delay(error: Exception, wait: float) -> None:
    for raised in (error, exceptions.as_airflow(error)):
        decision = decide(raised)
        full = isinstance(error, errors.NotAccepted) and CAN_RESCHEDULE
        assert decision.action.name == ("RESCHEDULE" if full else "RETRY")
        assert wait <= decision.retry_delay.total_seconds() <= wait * 1.2
        assert decision.reason


@pytest.mark.parametrize("error", PERMANENT, ids=repr)
def test_a_permanent_error_fails_at_once(error: Exception) -> None:
    decision = decide(error)
    assert decision.action is RetryAction.FAIL
    assert type(error).__name__ in decision.reason


def test_every_error_of_the_package_is_decided() -> None:
    """A new class must be thought about: no error of ours falls through."""
    decided = {type(error) for error, _ in PASSING} | {type(error) for error in PERMANENT}
    roots = {errors.KlingError, errors.GMIError, errors.LedgerError, errors.MediaError}
    kinds = {
        kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.KlingError) and not name.startswith("_")
    }
    assert kinds - roots <= decided


def test_airflow_s_own_rule_agrees() -> None:
    """What a policy never sees, as Airflow fails it at once, is what this policy fails, too."""
    for error in PERMANENT[:-1]:
        assert isinstance(exceptions.as_airflow(error), exceptions.AirflowFailException)
    for error, _ in PASSING:
        assert not isinstance(exceptions.as_airflow(error), exceptions.AirflowFailException)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), exceptions.AirflowException("x")])
def test_errors_of_other_packages_are_left_to_the_task_settings(error: BaseException) -> None:
    assert decide(error).action is RetryAction.DEFAULT


def test_each_retry_waits_longer_but_not_for_ever() -> None:
    waits = [decide(errors.Unreachable("down"), number).retry_delay for number in range(1, 40)]
    assert waits[2] >= 4 * timedelta(seconds=60)
    assert max(waits) == HOUR
    assert decide(
        errors.Unreachable("down"), 9, kling_retry_policy(longest=timedelta(seconds=5))
    ).retry_delay == (timedelta(seconds=5))


@pytest.mark.parametrize("longest", [timedelta(), timedelta(seconds=-1), 5, None])
def test_each_limit_is_a_length_of_time(longest: Any) -> None:
    with pytest.raises(ValueError, match="longest"):
        kling_retry_policy(longest=longest)
    if longest is not None:
        with pytest.raises(ValueError, match="reschedule_for"):
            kling_retry_policy(reschedule_for=longest)


@pytest.mark.parametrize("reschedule_for", [None, timedelta(hours=3)])
def test_the_policy_survives_serialization(reschedule_for: timedelta | None) -> None:
    policy = kling_retry_policy(longest=timedelta(minutes=7), reschedule_for=reschedule_for)
    again = KlingRetryPolicy.deserialize(json.loads(json.dumps(policy.serialize())))
    assert (again.longest, again.reschedule_for) == (policy.longest, reschedule_for)


@pytest.fixture
def rescheduling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the policy find what Airflow 3.4 has; below 3.4 with a stand-in that keeps what it was told."""
    if CAN_RESCHEDULE:
        return
    from kling_airflow import retry_policy

    class Decision(retry_policy.RetryDecision):  # type: ignore[misc, valid-type]
        @classmethod
        def reschedule(cls, delay: timedelta, *, reschedule_timeout: timedelta, reason: str) -> Any:
            action = SimpleNamespace(name="RESCHEDULE")
            return SimpleNamespace(
                action=action, retry_delay=delay, reschedule_timeout=reschedule_timeout, reason=reason
            )

    monkeypatch.setattr(retry_policy, "RetryDecision", Decision)


def test_a_full_queue_uses_up_no_retry_for_a_day(rescheduling: None) -> None:
    decision = decide(errors.NotAccepted("full", retry_after=900))
    assert decision.action.name == "RESCHEDULE"
    assert 900 <= decision.retry_delay.total_seconds() <= 1080
    assert decision.reschedule_timeout == timedelta(hours=24)
    assert "the queue is full" in decision.reason
    mine = kling_retry_policy(reschedule_for=timedelta(hours=2))
    assert decide(errors.NotAccepted("full"), policy=mine).reschedule_timeout == timedelta(hours=2)


def test_other_errors_use_up_a_retry_and_so_does_a_full_queue_if_you_say_so(rescheduling: None) -> None:
    never = kling_retry_policy(reschedule_for=None)
    assert decide(errors.NotAccepted("full"), policy=never).action is RetryAction.RETRY
    for error, _ in PASSING:
        if not isinstance(error, errors.NotAccepted):
            assert decide(error).action is RetryAction.RETRY, error


def test_the_policy_can_be_part_of_a_chain() -> None:
    from airflow.sdk.definitions.retry_policy import RetryRule

    try:
        from airflow.providers.common.compat.sdk import ChainRetryPolicy
    except ImportError:
        pytest.skip("chains came with common-compat 1.23")

    mine = ExceptionRetryPolicy([RetryRule(exception=ValueError, action=RetryAction.FAIL)])
    chain = ChainRetryPolicy([kling_retry_policy(), mine])
    assert decide(ValueError(), policy=chain).action is RetryAction.FAIL
    assert decide(errors.Unreachable("down"), policy=chain).action is RetryAction.RETRY


DAG = """
from tests.airflow_versions import dag, task
from kling_airflow.errors import Rejected
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.retry_policy import kling_retry_policy

@dag(default_args={"retries": 5, "retry_policy": kling_retry_policy()})
def policy():
    @task
    def fails():
        raise Rejected("The prompt is refused.")

    shots = [{"image": "s3://frames/a.png", "prompt": "rise"}]
    fails() >> KlingImageToVideoOperator.partial(task_id="submit").expand_kwargs(shots)

policy()
"""


def test_airflow_serializes_a_dag_with_it(dags_folder: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    from tests.airflow_versions import DagBag

    path = dags_folder / "policy_serialized.py"
    path.write_text(DAG)
    try:
        bag = DagBag(path)
    finally:
        path.unlink()
    assert bag.import_errors == {}
    data = json.loads(json.dumps(DagSerialization.to_dict(bag.dags["policy"])))
    again = DagSerialization.from_dict(data)
    assert {task_id: task.has_retry_policy for task_id, task in again.task_dict.items()} == {
        "fails": True,
        "submit": True,
    }
    assert isinstance(bag.dags["policy"].get_task("submit").retry_policy, KlingRetryPolicy)


def test_an_older_airflow_is_told_what_is_missing() -> None:
    code = (
        "import sys; import airflow.sdk;"
        "sys.modules['airflow.sdk'] = None; sys.modules['airflow.providers.common.compat.sdk'] = None;"
        "import kling_airflow.retry_policy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImportError: kling_airflow.retry_policy needs Airflow 3.3 or later" in done.stderr
