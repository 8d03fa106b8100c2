from __future__ import annotations

from pathlib import Path

import pytest

from kling_airflow.gmi.errors import InvalidPayload
from kling_airflow.hooks.ledger import (
    configured_deployment,
    configured_folder,
    open_folder,
    open_ledger,
)
from kling_airflow.media.errors import InvalidArgument
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.scope import Scope

SCOPE = Scope("dag", "run", "submit")
RECORD = SubmissionRecord("f" * 64, 1, "m", State.SENDING)


def test_it_is_read_from_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (configured_folder(), configured_deployment()) == (None, "default")
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", "s3://bucket/ledger")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    assert (configured_folder(), configured_deployment()) == ("s3://bucket/ledger", "prod")
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", "")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "")
    assert (configured_folder(), configured_deployment()) == (None, "default")


def test_a_local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ledger(f"file://{tmp_path}/", SCOPE, by="try 2").write(RECORD)
    assert open_ledger(f"file://{tmp_path}", SCOPE).read("f" * 64, 1) == RECORD
    (step,) = tmp_path.rglob("*.json")
    assert step.relative_to(tmp_path).parts[0] == "default"
    assert '"by": "try 2"' in step.read_text()
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    assert open_ledger(f"file://{tmp_path}", SCOPE).read("f" * 64, 1) is None
    assert open_ledger(f"file://{tmp_path}", SCOPE, deployment="default").read("f" * 64, 1) == RECORD


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


def test_a_store_that_is_not_exclusive() -> None:
    with pytest.raises((InvalidPayload, InvalidArgument), match="memory://"):
        open_ledger("memory://bucket/ledger", SCOPE)
