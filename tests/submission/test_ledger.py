"""The ledger that forgets, and what every ledger has in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.submission.ledger import Ledger, MemoryLedger
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey
from kling_airflow.submission.task_state import TaskStateLedger
from tests.airflow_context import context

RECORD = SubmissionRecord("f" * 64, 1, "m", State.SENDING, marker="https://p/f.png", posts=1, sent_at=1.0)


def memory(_: Path) -> Ledger:
    return MemoryLedger()


def task_state(_: Path) -> Ledger:
    return TaskStateLedger(context(), TaskKey("dag", "run", "submit"))


def folder(path: Path) -> Ledger:
    return ObjectStoreLedger(path, TaskKey("dag", "run", "submit"), deployment="test")


each = pytest.mark.parametrize("make", [memory, task_state, folder])


@each
def test_what_was_written_is_read(make: Callable[[Path], Ledger], tmp_path: Path) -> None:
    ledger = make(tmp_path)
    assert ledger.read("f" * 64, 1) is None
    ledger.write(RECORD)
    submitted = RECORD.submitted("r", now=2.0)
    ledger.write(submitted)
    assert ledger.read("f" * 64, 1) == submitted, "the last one counts"
    assert ledger.read("f" * 64, 2) is None
    assert ledger.read("e" * 64, 1) is None


@each
def test_all_orders_of_a_task_can_be_had(make: Callable[[Path], Ledger], tmp_path: Path) -> None:
    ledger = make(tmp_path)
    assert ledger.records() == []
    others = [
        SubmissionRecord("e" * 64, 1, "m", State.NOT_SENT),
        SubmissionRecord("f" * 64, 2, "m", State.SENDING),
    ]
    for record in (RECORD, *others):
        assert ledger.read(record.fingerprint, record.take) is None
        ledger.write(record)

    def key(record: SubmissionRecord) -> Any:
        return record.fingerprint, record.take

    assert sorted(ledger.records(), key=key) == sorted([RECORD, *others], key=key)


@each
def test_a_claim_is_the_owner_s_or_can_not_be_told(make: Callable[[Path], Ledger], tmp_path: Path) -> None:
    ledger = make(tmp_path)
    mine, other = ledger.owner("f" * 64, 1), ledger.owner("f" * 64, 2)
    assert mine != other
    claims = [ledger.claim("r", owner) for owner in (mine, mine, other)]
    assert claims in ([True, True, False], [None, None, None])


def test_only_a_folder_tells_tasks_apart(tmp_path: Path) -> None:
    first, twin = (
        ObjectStoreLedger(tmp_path, TaskKey("dag", "run", "submit", index), deployment="test")
        for index in (0, 1)
    )
    assert first.claim("r", first.owner("f" * 64, 1)) is True
    assert twin.claim("r", twin.owner("f" * 64, 1)) is False
