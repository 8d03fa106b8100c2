"""A listener in Airflow's own listener managers, for the time of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


@contextmanager
def listening(heard: Any) -> Iterator[Any]:
    """Let a test hear what Airflow tells listeners: assets that change, and tasks that end.

    The lineage of a task is read as the OpenLineage provider's listener reads it, in the task's process.

    :param heard: gets the names of assets in ``changed``, and the lineage by task id in ``lineage``.
    """
    from airflow.listeners import hookimpl

    class Listener:
        @hookimpl
        def on_asset_changed(self, asset: Any) -> None:
            heard.changed.append(asset.name)

        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            from airflow.providers.openlineage.extractors.manager import ExtractorManager
            from airflow.utils.state import TaskInstanceState

            task = task_instance.task
            heard.lineage[task.task_id] = ExtractorManager().extract_metadata(
                dagrun=task_instance.get_template_context()["dag_run"],
                task=task,
                task_instance_state=TaskInstanceState.SUCCESS,
                task_instance=task_instance,
            )

    listener, managers = Listener(), {id(found): found for found in _managers()}.values()
    for manager in managers:
        manager.pm.register(listener)
    try:
        yield heard
    finally:
        for manager in managers:
            manager.pm.unregister(listener)


def _managers() -> Iterator[Any]:
    """Yield the managers of the server and of the worker; from Airflow 3.2 on they are two."""
    for place in ("airflow.listeners.listener", "airflow.sdk.listener"):
        try:
            yield import_module(place).get_listener_manager()
        except (ImportError, AttributeError):
            continue
