from __future__ import annotations

from pathlib import Path

import pytest

from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.ledger import configured_deployment, configured_folder, open_folder
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey

SCOPE = TaskKey("dag", "run", "submit")
RECORD = SubmissionRecord("f" * 64, 1, "m", State.SENDING)


def test_it_is_read_from_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (configured_folder(), configured_deployment()) == (None, None)
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", "s3://bucket/ledger")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    assert (configured_folder(), configured_deployment()) == ("s3://bucket/ledger", "prod")
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", "")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "")
    assert (configured_folder(), configured_deployment()) == (None, None)


def test_a_local_folder(tmp_path: Path) -> None:
    ObjectStoreLedger(open_folder(f"file://{tmp_path}/"), SCOPE, deployment="prod").write(RECORD)
    assert ObjectStoreLedger(tmp_path, SCOPE, deployment="prod").read("f" * 64, 1) == RECORD


@pytest.mark.parametrize(
    "uri", ["", "  ", None, 5, "bucket/ledger", "://x", "s3://", "s3:///key", "s3://conn@/key", "file://"]
)
def test_what_is_no_folder(uri: str) -> None:
    with pytest.raises(InvalidArgument, match="must be the address of a folder"):
        open_folder(uri)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(InvalidArgument, match="use a connection") as refused:
        open_folder("s3://key:hunter2@bucket/ledger")
    assert "hunter2" not in str(refused.value)


def test_a_connection_that_is_not_defined() -> None:
    with pytest.raises(InvalidArgument, match="`nobody` is not defined"):
        open_folder("s3://nobody@bucket/ledger")
