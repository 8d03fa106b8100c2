"""Which ledger remembers: the folder that is named, here or in the configuration; else Airflow's store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.errors import InvalidArgument
from kling_airflow.submission.ledger import MemoryLedger
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_state import TaskStateLedger
from kling_airflow.task.ledger_choice import choose
from tests.airflow_context import context

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("deployment")

RECORD = SubmissionRecord("f" * 64, 1, "m", State.SENDING)


def mapped(index: int | None) -> dict[str, Any]:
    given = context()
    given["ti"].map_index = index
    return given


@pytest.mark.parametrize("folder", ["", "None", " ", None])
def test_what_templates_make_of_none_is_none(folder: str) -> None:
    assert isinstance(choose(context(), durable=True, folder=folder), TaskStateLedger)


def test_who_does_not_want_to_remember_needs_no_store(tmp_path: Path) -> None:
    given = context() | {"task_state_store": None}
    assert isinstance(choose(given, durable=False, folder=tmp_path.as_uri()), MemoryLedger)


def test_a_folder_needs_no_store_either(tmp_path: Path) -> None:
    given = context() | {"task_state_store": None}
    assert isinstance(choose(given, durable=True, folder=tmp_path.as_uri()), ObjectStoreLedger)


def test_the_configuration_names_one_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", tmp_path.as_uri())
    choose(context(), durable=True, folder=None).write(RECORD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert choose(context(), durable=True, folder=elsewhere.as_uri()).read("f" * 64, 1) is None
    assert choose(context(), durable=True, folder=None).read("f" * 64, 1) == RECORD


def test_a_folder_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="must be the address of a folder"):
        choose(context(), durable=True, folder="ledger")


def test_a_folder_without_a_deployment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__KLING__DEPLOYMENT")
    with pytest.raises(InvalidArgument, match=r"`\[kling\] deployment`.*AIRFLOW__KLING__DEPLOYMENT"):
        choose(context(), durable=True, folder=tmp_path.as_uri())


def test_deployments_never_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dev", "prod"):
        monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", name)
        ledger = choose(context(), durable=True, folder=tmp_path.as_uri())
        assert ledger.read("f" * 64, 1) is None
        ledger.write(RECORD)


def test_each_task_instance_has_records_of_its_own(tmp_path: Path) -> None:
    def ledger(index: int | None) -> Any:
        return choose(mapped(index), durable=True, folder=tmp_path.as_uri())

    ledger(0).write(RECORD)
    assert ledger(0).read("f" * 64, 1) == RECORD, "the next try's"
    assert ledger(1).read("f" * 64, 1) is None
    assert ledger(None).read("f" * 64, 1) is None
    ledger(None).write(RECORD)
    assert ledger(-1).read("f" * 64, 1) == RECORD, "not mapped, however that is said"
