"""The ledger of a task: the one it names, else the configured one, else Airflow's task state store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.ledger import (
    configured_deployment,
    configured_late_arrival_margin,
    configured_ledger,
    ledger_of,
    open_ledger_path,
)
from kling_airflow.submission.ledger import MemoryLedger
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey
from kling_airflow.submission.task_state import TaskStateLedger
from kling_airflow.task_instance.key import task_key
from tests.airflow_context import context

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.submission.ledger import Ledger

KEY = TaskKey("dag", "run", "submit")
RECORD = SubmissionRecord("f" * 64, 1, "m", State.SENDING)


def mapped(index: int | None) -> dict[str, Any]:
    given = context()
    given["ti"].map_index = index
    return given


def opened(given: dict[str, Any], **fields: Any) -> Ledger:
    return ledger_of(given, task_key(given["ti"]), **fields)


def test_it_is_read_from_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (configured_ledger(), configured_deployment()) == (None, None)
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", "s3://bucket/ledger")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    assert (configured_ledger(), configured_deployment()) == ("s3://bucket/ledger", "prod")
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", "")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "")
    assert (configured_ledger(), configured_deployment()) == (None, None)


def test_a_local_folder(tmp_path: Path) -> None:
    ObjectStoreLedger(open_ledger_path(f"file://{tmp_path}/"), KEY, deployment="prod").write(RECORD)
    assert ObjectStoreLedger(tmp_path, KEY, deployment="prod").read("f" * 64, 1) == RECORD


@pytest.mark.parametrize(
    "uri", ["", "  ", None, 5, "bucket/ledger", "://x", "s3://", "s3:///key", "s3://conn@/key", "file://"]
)
def test_an_address_of_no_ledger_is_refused(uri: str) -> None:
    with pytest.raises(InvalidArgument, match="must be the address of a folder"):
        open_ledger_path(uri)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(InvalidArgument, match="use a connection") as refused:
        open_ledger_path("s3://key:hunter2@bucket/ledger")
    assert "hunter2" not in str(refused.value)


def test_a_connection_that_is_not_defined() -> None:
    with pytest.raises(InvalidArgument, match="`nobody` is not defined"):
        open_ledger_path("s3://nobody@bucket/ledger")


@pytest.mark.usefixtures("deployment")
class TestLedgerOf:
    @pytest.mark.parametrize("ledger", ["", "None", " ", None])
    def test_an_address_that_a_template_renders_empty_is_no_address(self, ledger: str | None) -> None:
        assert isinstance(opened(context(), durable=True, ledger=ledger), TaskStateLedger)

    def test_without_durability_no_store_is_needed(self, tmp_path: Path) -> None:
        given = context() | {"task_state_store": None}
        assert isinstance(opened(given, durable=False, ledger=tmp_path.as_uri()), MemoryLedger)

    def test_an_object_store_ledger_needs_no_task_state_store(self, tmp_path: Path) -> None:
        given = context() | {"task_state_store": None}
        assert isinstance(opened(given, durable=True, ledger=tmp_path.as_uri()), ObjectStoreLedger)

    def test_the_configured_ledger_is_used_unless_the_task_names_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__KLING__LEDGER", tmp_path.as_uri())
        opened(context(), durable=True, ledger=None).write(RECORD)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        assert opened(context(), durable=True, ledger=elsewhere.as_uri()).read("f" * 64, 1) is None
        assert opened(context(), durable=True, ledger=None).read("f" * 64, 1) == RECORD

    def test_an_address_without_a_scheme_is_refused(self) -> None:
        with pytest.raises(InvalidArgument, match="must be the address of a folder"):
            opened(context(), durable=True, ledger="ledger")

    def test_an_object_store_ledger_without_a_deployment_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AIRFLOW__KLING__DEPLOYMENT")
        with pytest.raises(InvalidArgument, match=r"`\[kling\] deployment`.*AIRFLOW__KLING__DEPLOYMENT"):
            opened(context(), durable=True, ledger=tmp_path.as_uri())

    def test_deployments_do_not_share_records(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("dev", "prod"):
            monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", name)
            ledger = opened(context(), durable=True, ledger=tmp_path.as_uri())
            assert ledger.read("f" * 64, 1) is None
            ledger.write(RECORD)

    def test_each_task_instance_has_records_of_its_own(self, tmp_path: Path) -> None:
        def ledger(index: int | None) -> Any:
            return opened(mapped(index), durable=True, ledger=tmp_path.as_uri())

        ledger(0).write(RECORD)
        assert ledger(0).read("f" * 64, 1) == RECORD, "the next try's"
        assert ledger(1).read("f" * 64, 1) is None
        assert ledger(None).read("f" * 64, 1) is None
        ledger(None).write(RECORD)
        assert ledger(-1).read("f" * 64, 1) == RECORD, "not mapped, however that is said"


class TestLateArrivalMargin:
    def test_the_default_and_the_option(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert configured_late_arrival_margin() == 30
        monkeypatch.setenv("AIRFLOW__KLING__LATE_ARRIVAL_MARGIN", "300")
        assert configured_late_arrival_margin() == 300

    @pytest.mark.parametrize("value", ["-1", "inf", "nan"])
    def test_what_is_no_margin(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("AIRFLOW__KLING__LATE_ARRIVAL_MARGIN", value)
        with pytest.raises(InvalidArgument, match=r"\[kling\] late_arrival_margin"):
            configured_late_arrival_margin()
