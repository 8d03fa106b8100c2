"""Which ledger remembers: the folder that is named, here or in the configuration; else the task state store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.gmi.errors import InvalidPayload
from kling_airflow.operators.ledgers import choose
from kling_airflow.submission.folder import FolderLedger
from kling_airflow.submission.ledger import MemoryLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_state import TaskStateLedger
from tests.airflow_context import context

if TYPE_CHECKING:
    from pathlib import Path

RECORD = SubmissionRecord("f" * 64, 1, "m", State.SENDING)


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    return "prod"


def mapped(index: int | None) -> dict[str, Any]:
    given = context()
    given["ti"].map_index = index
    return given


def test_the_task_state_store_is_the_default() -> None:
    assert isinstance(choose(context(), durable=True, folder=None), TaskStateLedger)


@pytest.mark.parametrize("folder", ["", "None", " "])
def test_what_templates_make_of_none_is_none(folder: str) -> None:
    assert isinstance(choose(context(), durable=True, folder=folder), TaskStateLedger)


def test_who_does_not_want_to_remember_needs_no_store(deployment: str, tmp_path: Path) -> None:
    given = context() | {"task_state_store": None}
    assert isinstance(choose(given, durable=False, folder=tmp_path.as_uri()), MemoryLedger)


def test_a_folder_needs_no_store_either(deployment: str, tmp_path: Path) -> None:
    given = context() | {"task_state_store": None}
    assert isinstance(choose(given, durable=True, folder=tmp_path.as_uri()), FolderLedger)


def test_the_configuration_names_one_for_all(
    deployment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", tmp_path.as_uri())
    choose(context(), durable=True, folder=None).write(RECORD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert choose(context(), durable=True, folder=elsewhere.as_uri()).read("f" * 64, 1) is None
    assert choose(context(), durable=True, folder=None).read("f" * 64, 1) == RECORD


def test_a_folder_without_a_deployment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPayload, match=r"`\[kling\] deployment`.*AIRFLOW__KLING__DEPLOYMENT"):
        choose(context(), durable=True, folder=tmp_path.as_uri())


def test_deployments_never_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dev", "prod"):
        monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", name)
        ledger = choose(context(), durable=True, folder=tmp_path.as_uri())
        assert ledger.read("f" * 64, 1) is None
        ledger.write(RECORD)


def test_each_task_instance_has_records_of_its_own(deployment: str, tmp_path: Path) -> None:
    def ledger(index: int | None) -> Any:
        return choose(mapped(index), durable=True, folder=tmp_path.as_uri())

    ledger(0).write(RECORD)
    assert ledger(0).read("f" * 64, 1) == RECORD, "the next try's"
    assert ledger(1).read("f" * 64, 1) is None
    assert ledger(None).read("f" * 64, 1) is None
    ledger(None).write(RECORD)
    assert ledger(-1).read("f" * 64, 1) == RECORD, "not mapped, however that is said"
