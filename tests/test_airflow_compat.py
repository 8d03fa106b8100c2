"""The one module that knows the versions of Airflow: its names, the addresses of objects, connections."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kling_airflow import airflow_compat
from kling_airflow.addresses import read_address
from kling_airflow.airflow_compat import connection_of, get_async_connection, get_async_extra_dejson
from tests.airflow_versions import AIRFLOW

ONLY_FROM_3_3 = {"NEVER_EXPIRE", "RetryDecision", "RetryPolicy"}
NAMES = sorted(set(airflow_compat._PLACES) - (ONLY_FROM_3_3 if AIRFLOW.release < (3, 3) else set()))
ANNOTATIONS = {"Templated", "XComArg", "PlainXComArg", "TaskDecorator"}
"""Names for a type checker alone."""
ROOT = Path(__file__).parents[1]
DECORATORS = {"task", "task_group"}
"""Made by the installed standard provider, which asks ``common.compat.sdk`` itself."""


def test_each_name_is_there_with_any_common_compat() -> None:
    """Also without ``common.compat.sdk``, which 2.11.0 and 3.0 had not on their release days."""
    code = (
        "import sys; sys.modules['airflow.providers.common.compat.sdk'] = None;"
        "from kling_airflow import airflow_compat;"
        f"[getattr(airflow_compat, name) for name in {sorted(set(NAMES) - DECORATORS)}]"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    assert [name for name in NAMES if getattr(airflow_compat, name, None) is None] == []


def test_a_name_that_no_airflow_has() -> None:
    with pytest.raises(ImportError, match="NoSuchThing"):
        from kling_airflow.airflow_compat import NoSuchThing  # type: ignore[attr-defined]  # noqa: F401


def test_a_name_that_this_airflow_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(airflow_compat._PLACES, "Tomorrow", ("airflow.tomorrow:",))
    with pytest.raises(ImportError, match="This Airflow has no Tomorrow"):
        _ = airflow_compat.Tomorrow


def test_only_this_module_asks_common_compat() -> None:
    """Another import would raise the floor of what can be installed, and nothing would say so."""
    folder = Path(airflow_compat.__file__).parent
    found = [
        f"{path.relative_to(path.parents[1])}: {line.strip()}"
        for path in sorted([*folder.rglob("*.py"), *(ROOT / "dags").glob("*.py")])
        if path.name != "airflow_compat.py"
        for line in path.read_text().splitlines()
        if "common.compat" in line and "import" in line and "openlineage" not in line
    ]
    assert found == []


def test_what_users_copy_imports_nothing_that_an_older_airflow_lacks() -> None:
    """``airflow.sdk`` came with Airflow 3.0."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "dags").glob("*.py")]
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted(pages)
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("from airflow.sdk", "import airflow.sdk"))
    ]
    assert found == []


@pytest.mark.parametrize(("uri", "conn_id"), [("s3://mine@bucket/key", None), ("s3://bucket/key", "mine")])
def test_the_store_is_asked_with_the_connection_that_was_named(
    uri: str, conn_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("s3fs")
    from kling_airflow.hooks.store_path import open_path

    extra = {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"}
    known = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(known))
    path = open_path(uri, conn_id, "ledger")
    assert connection_of(path) == "mine"
    assert path.fs.endpoint_url == "http://127.0.0.1:9"
    assert (str(path.protocol), str(path.path)) == ("s3", "bucket/key")


def test_a_store_is_never_taken_for_a_folder_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 3.2 every path of Airflow is a pathlib.Path, too."""
    pytest.importorskip("s3fs")
    from kling_airflow.hooks.store_path import open_path
    from kling_airflow.submission.exclusive_store import LocalStore, ObjectStore, open_store

    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "aws", "login": "a", "password": "b"}))
    store = open_store(open_path("s3://mine@bucket/ledger", None, "ledger"))
    assert isinstance(store, ObjectStore)
    assert store.uri == "s3://bucket/ledger"
    for root in (tmp_path, open_path(f"file://{tmp_path}", None, "ledger")):
        local = open_store(root)
        assert isinstance(local, LocalStore)
        assert local.uri == f"file://{tmp_path}"
        assert local.create("a/b", b"x")
        assert (tmp_path / "a" / "b").read_bytes() == b"x"


@pytest.mark.parametrize("uri", ["s3://bucket/a b.mp4", "s3://mine@bucket/key", "file:///my%20clip.mp4"])
def test_a_path_of_airflow_is_its_address(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.2 such a path is a pathlib.Path, too: it was taken for a file in the working folder."""
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "aws", "login": "a", "password": "b"}))
    assert read_address("destination", airflow_compat.ObjectStoragePath(uri)) == uri


def test_a_connection_is_read_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "http", "extra": {"a": "b"}}))

    async def read() -> dict[str, object]:
        return await get_async_extra_dejson(await get_async_connection("mine"))

    assert asyncio.run(read()) == {"a": "b"}


def test_a_connection_that_is_not_there() -> None:
    with pytest.raises(airflow_compat.AirflowNotFoundException):
        asyncio.run(get_async_connection("nowhere"))


def test_every_name_that_is_imported_from_it_is_in_it() -> None:
    """A type checker can't say so: the module looks its names up when they are asked for."""
    asked = {
        (path.name, name.name)
        for folder in ("kling_airflow", "tests", "benchmarks", "dags")
        for path in (Path(airflow_compat.__file__).parents[1] / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "kling_airflow.airflow_compat"
        for name in node.names
    }
    assert len(asked) > 20
    known = {*airflow_compat._PLACES, *vars(airflow_compat), *ANNOTATIONS, "NoSuchThing"}
    assert {(file, name) for file, name in asked if name not in known} == set()


@pytest.mark.parametrize(("comms", "may"), [("CommsDecoder", True), ("InProcessSupervisorComms", False)])
def test_threads_may_call_airflow_but_for_dag_test(
    monkeypatch: pytest.MonkeyPatch, comms: str, may: bool
) -> None:
    runner = SimpleNamespace(SUPERVISOR_COMMS=type(comms, (), {})())
    monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.task_runner", runner)
    assert airflow_compat.threads_may_call_airflow() is may


@pytest.mark.parametrize(
    ("sdk", "left"), [("1.0.6", {"uri": "a"}), ("1.1.8", None), ("1.3.2", None), ("", None)]
)
def test_an_output_that_is_none_is_left_out_where_airflow_refuses_it(
    sdk: str, left: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 3.0 alone; without the task SDK it is Airflow 2. A real 3.0 runs in ``make matrix``."""

    def version(name: str) -> str:
        if not sdk:
            raise PackageNotFoundError(name)
        return sdk

    monkeypatch.setattr("importlib.metadata.version", version)
    result = {"uri": "a", "seconds": None}
    assert airflow_compat.as_outputs(result) == (result if left is None else left)
