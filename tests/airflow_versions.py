"""What tests need of Airflow under one name, on every version that the package supports."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

import pytest
from packaging.version import Version

AIRFLOW = Version(Version(version("apache-airflow")).base_version)


def needs_airflow(first: str, why: str) -> pytest.MarkDecorator:
    """Skip a test below a version of Airflow.

    :param why: what the first version with it brought, for the report.
    """
    return pytest.mark.skipif(Version(first) > AIRFLOW, reason=f"needs Airflow {first}: {why}")


def needs_airflow_here(first: str, why: str) -> None:
    """Skip the module that calls this, below a version of Airflow: stands before what it can't import."""
    if Version(first) > AIRFLOW:
        pytest.skip(f"needs Airflow {first}: {why}", allow_module_level=True)


def first_of(*places: str) -> Any:
    """Return the first of some ``module:name`` that this Airflow has."""
    for place in places:
        module, _, name = place.partition(":")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"Airflow {AIRFLOW} has none of {places}")


def __getattr__(name: str) -> Any:
    """Return what is looked for when a test asks for it: much of it needs a configured AIRFLOW_HOME."""
    if name.startswith(("Airflow", "TaskDefer")):
        return first_of(f"airflow.sdk.exceptions:{name}", f"airflow.exceptions:{name}")
    if name not in _PLACES:
        raise AttributeError(name)
    return first_of(*_PLACES[name])


_PLACES = {
    "Asset": ("airflow.sdk:Asset", "airflow.datasets:Dataset"),
    "AssetAlias": ("airflow.sdk:AssetAlias", "airflow.datasets:DatasetAlias"),
    "DAG": ("airflow.sdk:DAG", "airflow:DAG"),
    "DagBag": ("airflow.dag_processing.dagbag:DagBag", "airflow.models.dagbag:DagBag"),
    "DagSerialization": (
        "airflow.serialization.serialized_objects:DagSerialization",
        "airflow.serialization.serialized_objects:SerializedDAG",
    ),
    "ObjectStoragePath": ("airflow.sdk:ObjectStoragePath", "airflow.io.path:ObjectStoragePath"),
    "OutletEventAccessors": (
        "airflow.sdk.execution_time.context:OutletEventAccessors",
        "airflow.utils.context:OutletEventAccessors",
    ),
    "TaskGroup": ("airflow.sdk:TaskGroup", "airflow.utils.task_group:TaskGroup"),
    "TaskInstanceState": (
        "airflow.sdk.api.datamodels._generated:TaskInstanceState",
        "airflow.utils.state:TaskInstanceState",
    ),
    "XComModel": ("airflow.models.xcom:XComModel", "airflow.models.xcom:XCom"),
    "dag": ("airflow.sdk:dag", "airflow.decorators:dag"),
    "literal": (
        "airflow.sdk:literal",
        "airflow.sdk.definitions.template:literal",
        "airflow.utils.template:literal",
    ),
    "import_string": (
        "airflow.sdk.module_loading:import_string",
        "airflow.utils.module_loading:import_string",
    ),
    "store_cache": ("airflow.sdk.io.store:_STORE_CACHE", "airflow.io.store:_STORE_CACHE"),
    "task": ("airflow.sdk:task", "airflow.decorators:task"),
    "task_group": ("airflow.sdk:task_group", "airflow.decorators:task_group"),
}


def let_airflow_say(monkeypatch: pytest.MonkeyPatch, get_task_states: Any) -> None:
    """Let a worker that asks for the states of tasks get a test's answer."""
    if Version("3.0") > AIRFLOW:
        pytest.skip("needs Airflow 3.0: a worker can ask for the state of a task")
    place = "airflow.sdk.execution_time.task_runner.RuntimeTaskInstance.get_task_states"
    monkeypatch.setattr(place, staticmethod(get_task_states))


def serialize(value: Any) -> Any:
    """Return a trigger's arguments as this Airflow writes them into its database, before JSON."""
    if Version("3.2") <= AIRFLOW:
        return import_module("airflow.sdk.serde").serialize(value)
    return _base_serialization().serialize(value)


def deserialize(value: Any) -> Any:
    """Return a trigger's arguments as this Airflow reads them from its database."""
    if Version("3.2") <= AIRFLOW:
        return import_module("airflow.sdk.serde").deserialize(value)
    return _base_serialization().deserialize(value)


def _base_serialization() -> Any:
    return import_module("airflow.serialization.serialized_objects").BaseSerialization
