from __future__ import annotations

import pytest

from kling_airflow.errors import InvalidArgument, UnreadableRecord
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey
from kling_airflow.submission.task_state import TaskStateLedger
from tests.airflow_context import TaskStateStore

KEY = TaskKey("dag", "run", "submit")
RECORD = SubmissionRecord("f" * 64, 2, "m", State.SENDING, marker="https://p/f.png")


@pytest.fixture
def store() -> TaskStateStore:
    return TaskStateStore()


def ledger(store: TaskStateStore | None) -> TaskStateLedger:
    return TaskStateLedger({"task_state_store": store}, KEY)


def test_the_next_try_reads_what_this_one_wrote(store: TaskStateStore) -> None:
    ledger(store).write(RECORD)
    assert ledger(store).read("f" * 64, 2) == RECORD


def test_records_never_expire(store: TaskStateStore) -> None:
    from kling_airflow.airflow_compat import NEVER_EXPIRE

    ledger(store).write(RECORD)
    assert set(store.retentions.values()) == {NEVER_EXPIRE}


def test_each_order_and_take_has_a_record_of_its_own(store: TaskStateStore) -> None:
    ledger(store).write(RECORD)
    assert ledger(store).read("f" * 64, 1) is None
    assert ledger(store).read("e" * 64, 2) is None


def test_all_records_of_the_task_can_be_had(store: TaskStateStore) -> None:
    other = SubmissionRecord("e" * 64, 1, "m", State.NOT_SENT)
    for record in (RECORD, other, RECORD):
        ledger(store).write(record)
    assert ledger(store).records() == [RECORD, other]
    assert ledger(store).claim("id-1", "order") is None


def test_unreadable_is_not_absent(store: TaskStateStore) -> None:
    ledger(store).write(RECORD)
    (key,) = store.records
    store.values[key] = '{"version": 99}'
    with pytest.raises(UnreadableRecord, match="99"):
        ledger(store).read("f" * 64, 2)


def test_the_write_of_a_replaced_try_raises(store: TaskStateStore) -> None:
    store.stale = True
    with pytest.raises(RuntimeError):
        ledger(store).write(RECORD)


def test_without_a_store_nothing_is_spent() -> None:
    with pytest.raises(
        InvalidArgument, match=r"(?s)no task state store.*AIRFLOW__KLING__LEDGER=.*durable=False"
    ):
        ledger(None)


def test_the_lines_to_paste_are_lines_of_the_log() -> None:
    with pytest.raises(InvalidArgument) as caught:
        ledger(None)
    lines = caught.value.lines().splitlines()
    for line in (
        "    AIRFLOW__KLING__LEDGER=s3://BUCKET/kling-ledger",
        "    AIRFLOW__KLING__DEPLOYMENT=prod",
        "    [kling]",
        "    ledger = s3://BUCKET/kling-ledger",
        "    deployment = prod",
    ):
        assert line in lines
    assert len(str(caught.value).splitlines()) == 1


def test_a_store_that_forgets_on_success_is_refused(
    store: TaskStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")
    with pytest.raises(InvalidArgument, match=r"clear_on_success.*durable=False"):
        ledger(store)
