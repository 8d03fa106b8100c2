"""Airflow's names for this package, on every supported version of Airflow and of the common-compat provider.

Everything that differs between the versions stands here, and the rest of the package imports from here:

- ``airflow.providers.common.compat.sdk`` came with common-compat 1.8 and has all of these names since 1.12.
  Older ones are what the constraints of Airflow 2.11.0 to 3.0.6 pin, so the places are listed below, too.
- ``get_async_extra_dejson``, and a ``get_async_connection`` that can't lock up, came with common-compat 1.23.
- An ``ObjectStoragePath`` is a ``pathlib.Path`` before Airflow 3.2, and drops a connection that its address
  names.

A name is looked up when it is first used, because most of Airflow is too heavy for parsing a DAG file.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.providers.common.compat.sdk import DAG as DAG
    from airflow.providers.common.compat.sdk import AirflowException as AirflowException
    from airflow.providers.common.compat.sdk import AirflowFailException as AirflowFailException
    from airflow.providers.common.compat.sdk import AirflowNotFoundException as AirflowNotFoundException
    from airflow.providers.common.compat.sdk import AirflowSensorTimeout as AirflowSensorTimeout
    from airflow.providers.common.compat.sdk import AirflowSkipException as AirflowSkipException
    from airflow.providers.common.compat.sdk import AirflowTaskTimeout as AirflowTaskTimeout
    from airflow.providers.common.compat.sdk import Asset as Asset
    from airflow.providers.common.compat.sdk import AssetAlias as AssetAlias
    from airflow.providers.common.compat.sdk import BaseHook as BaseHook
    from airflow.providers.common.compat.sdk import BaseNotifier as BaseNotifier
    from airflow.providers.common.compat.sdk import BaseOperator as BaseOperator
    from airflow.providers.common.compat.sdk import BaseOperatorLink as BaseOperatorLink
    from airflow.providers.common.compat.sdk import BaseSensorOperator as BaseSensorOperator
    from airflow.providers.common.compat.sdk import Connection as Connection
    from airflow.providers.common.compat.sdk import Context as Context
    from airflow.providers.common.compat.sdk import DecoratedOperator as DecoratedOperator
    from airflow.providers.common.compat.sdk import ObjectStoragePath as ObjectStoragePath
    from airflow.providers.common.compat.sdk import Param as Param
    from airflow.providers.common.compat.sdk import PokeReturnValue as PokeReturnValue
    from airflow.providers.common.compat.sdk import RetryDecision as RetryDecision
    from airflow.providers.common.compat.sdk import RetryPolicy as RetryPolicy
    from airflow.providers.common.compat.sdk import TaskDecorator as TaskDecorator
    from airflow.providers.common.compat.sdk import TaskDeferred as TaskDeferred
    from airflow.providers.common.compat.sdk import TaskInstanceKey as TaskInstanceKey
    from airflow.providers.common.compat.sdk import XCom as XCom
    from airflow.providers.common.compat.sdk import conf as conf
    from airflow.providers.common.compat.sdk import determine_kwargs as determine_kwargs
    from airflow.providers.common.compat.sdk import task as task
    from airflow.providers.common.compat.sdk import task_decorator_factory as task_decorator_factory
    from airflow.providers.common.compat.sdk import task_group as task_group
    from airflow.sdk import get_current_context as get_current_context
    from airflow.sdk.definitions.xcom_arg import PlainXComArg as PlainXComArg
    from airflow.sdk.definitions.xcom_arg import XComArg as XComArg

    NEVER_EXPIRE: timedelta | str

    _T = TypeVar("_T")
    Templated: TypeAlias = _T | str | XComArg
    """A templated argument: a value, a template, or what another task returns."""

_COMPAT: Final = "airflow.providers.common.compat.sdk"

_PLACES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        (
            "AirflowException",
            "AirflowFailException",
            "AirflowNotFoundException",
            "AirflowSensorTimeout",
            "AirflowSkipException",
            "AirflowTaskTimeout",
            "TaskDeferred",
        ),
        ("airflow.sdk.exceptions:", "airflow.exceptions:"),
    ),
    "Asset": ("airflow.sdk:", "airflow.datasets:Dataset"),
    "AssetAlias": ("airflow.sdk:", "airflow.datasets:DatasetAlias"),
    "BaseHook": ("airflow.sdk:", "airflow.hooks.base:"),
    "BaseNotifier": ("airflow.sdk:", "airflow.notifications.basenotifier:"),
    "BaseOperator": ("airflow.sdk:", "airflow.models.baseoperator:"),
    "BaseOperatorLink": ("airflow.sdk:", "airflow.models.baseoperatorlink:"),
    "BaseSensorOperator": ("airflow.sdk:", "airflow.sensors.base:"),
    "Connection": ("airflow.sdk:", "airflow.models.connection:"),
    "Context": ("airflow.sdk:", "airflow.utils.context:"),
    "DAG": ("airflow.sdk:", "airflow.models.dag:"),
    "DecoratedOperator": ("airflow.sdk.bases.decorator:", "airflow.decorators.base:"),
    "NEVER_EXPIRE": ("airflow.sdk.execution_time.context:",),  # from Airflow 3.3 on
    "ObjectStoragePath": ("airflow.sdk:", "airflow.io.path:"),
    "Param": ("airflow.sdk:", "airflow.models.param:"),
    "PokeReturnValue": ("airflow.sdk:", "airflow.sensors.base:"),
    "RetryDecision": ("airflow.sdk:",),  # from Airflow 3.3 on
    "RetryPolicy": ("airflow.sdk:",),
    "TaskInstanceKey": ("airflow.sdk.types:", "airflow.models.taskinstancekey:"),
    "XCom": ("airflow.sdk.execution_time.xcom:", "airflow.models.xcom:"),
    "determine_kwargs": ("airflow.sdk.bases.decorator:", "airflow.utils.operator_helpers:"),
    "task": ("airflow.sdk:", "airflow.decorators:"),
    "task_decorator_factory": ("airflow.sdk.bases.decorator:", "airflow.decorators.base:"),
    "task_group": ("airflow.sdk:", "airflow.decorators:"),
    "get_current_context": ("airflow.sdk:", "airflow.operators.python:"),
    "conf": ("airflow.sdk.configuration:", "airflow.configuration:"),
}
"""Where each name is without common-compat 1.12: ``module:other name``, the newest Airflow first."""


def __getattr__(name: str) -> Any:
    """Return one of Airflow's names, and keep it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    failure: Exception | None = None
    for place in (f"{_COMPAT}:", *_PLACES[name]):
        module, _, other = place.partition(":")
        try:
            found = getattr(import_module(module), other or name)
        except (ImportError, AttributeError) as error:
            failure = error
            continue
        globals()[name] = found
        return found
    raise ImportError(f"This Airflow has no {name}: {failure}") from failure


def approval_operator() -> type[BaseOperator]:
    """Return Airflow's operator that asks a person (Airflow 3.1, standard provider 1.3).

    Where Airflow has none, the class that is returned says so when a DAG makes a task of it.
    """
    try:
        found: type[BaseOperator] = import_module(
            "airflow.providers.standard.operators.hitl"
        ).ApprovalOperator
    except (ImportError, RuntimeError, _attribute("AirflowException")):
        return cast("type[BaseOperator]", _NoApproval)
    return found


class _NoApproval:
    """Stands where Airflow has no human in the loop."""

    APPROVE = "Approve"

    def __init__(self, **kwargs: Any) -> None:
        from kling_airflow.errors import InvalidArgument

        raise InvalidArgument(
            "ApproveTakesOperator asks a person with Airflow's human in the loop, which came with Airflow 3.1"
            " and apache-airflow-providers-standard 1.3.",
            todo="Update Airflow, or leave the task out.",
        )


def connection_of(path: ObjectStoragePath) -> str | None:
    """Return the id of the connection that a path is opened with, None where it has none.

    Before Airflow 3.2 a path has no ``conn_id``, and keeps the id in its options.
    """
    found: str | None = getattr(path, "conn_id", None) or path.storage_options.get("conn_id")
    return found


def dag_of(operator: Any) -> DAG | None:
    """Return the DAG that a task belongs to, None for a task without one.

    Asked for its ``dag``, such a task raises ``RuntimeError`` in Airflow 3, ``AirflowException`` in 2.
    """
    has = getattr(operator, "has_dag", None)
    found: DAG | None = getattr(operator, "dag", None) if has is None or has() else None
    return found


async def get_async_connection(conn_id: str) -> Connection:
    """Return a connection without holding up the event loop.

    Before Airflow 3.3.2 ``BaseHook.aget_connection`` masks secrets with a blocking call that raises
    ``DeadlockImminentError`` beside another call, so that the blocking read runs in a thread there.
    """
    from asgiref.sync import sync_to_async

    base, connection = _attribute("BaseHook"), _attribute("Connection")
    if hasattr(connection, "aextra_dejson"):  # came with 3.3.2, together with the mended aget_connection
        found: Connection = await base.aget_connection(conn_id)
    else:
        found = await sync_to_async(base.get_connection)(conn_id)
    return found


async def get_async_extra_dejson(connection: Connection) -> dict[str, Any]:
    """Return a connection's extras without holding up the event loop, which masks the secrets in them."""
    from asgiref.sync import sync_to_async

    if hasattr(connection, "aextra_dejson"):
        extra: dict[str, Any] = await connection.aextra_dejson()
        return extra
    return await sync_to_async(lambda: connection.extra_dejson)()


def serves_plugin_apps() -> bool:
    """Return whether Airflow's web server shows the view of a plugin's own app (Airflow 3.1 and later)."""
    return _task_sdk() >= (1, 1)


def as_outputs(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result of whose entries each becomes an XCom (``multiple_outputs``).

    Airflow 3.0 refuses an XCom that is None, and fails the task: there such entries are left out.
    """
    if _task_sdk()[:2] != (1, 0):
        return result
    return {key: value for key, value in result.items() if value is not None}


def _task_sdk() -> tuple[int, ...]:
    """Return the version of Airflow's task SDK, 1.0 in Airflow 3.0 and 1.1 in 3.1; (0,) in Airflow 2."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.version import Version

    try:
        return Version(version("apache-airflow-task-sdk")).release
    except PackageNotFoundError:
        return (0,)


def threads_may_call_airflow() -> bool:
    """Return whether several threads of this task may call Airflow at the same time.

    A worker's calls go over a connection that a lock guards. ``dag.test()`` answers them in the task's own
    process, and takes the connection away from all threads meanwhile (``execution_time/supervisor.py``,
    ``InProcessSupervisorComms.send``, Airflow 3.0 to 3.4).
    """
    task_runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    return "InProcess" not in type(comms).__name__


def _attribute(name: str) -> Any:
    return globals().get(name) or __getattr__(name)
