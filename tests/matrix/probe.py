"""What one Airflow makes of the provider; run with the cell's Python, prints one JSON object."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any


def has(module: str, name: str) -> bool:
    """Whether this Airflow has a name."""
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return True


def schema_accepts() -> str:
    """Return ``yes`` if the provider's metadata fits this Airflow's own schema, else why it does not."""
    import airflow
    import jsonschema

    from kling_airflow.get_provider_info import get_provider_info

    rules = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    try:
        jsonschema.validate(get_provider_info(), rules)
    except jsonschema.ValidationError as error:
        return error.message[:200]
    return "yes"


def form_fields() -> set[str]:
    """Return the extra fields that the connection form of this Airflow's UI shows."""
    try:
        service = import_module("airflow.api_fastapi.core_api.services.ui.connections").HookMetaService
    except ImportError:  # Airflow 2
        from airflow.providers_manager import ProvidersManager

        prefix = "extra__gmi_cloud__"
        widgets = ProvidersManager().connection_form_widgets
        return {name.removeprefix(prefix) for name in widgets if name.startswith(prefix)}
    (shown,) = [meta for meta in service.hook_meta_data() if meta.connection_type == "gmi_cloud"]
    return set(shown.extra_fields or {})


def features() -> dict[str, bool]:
    """Return what this Airflow has of what the package uses where it is there."""
    from airflow.providers_manager import ProvidersManager

    form = form_fields()  # before the manager, which reads the form's fields only once
    manager = ProvidersManager()
    hook = manager.hooks["gmi_cloud"]
    return {
        "task state store": has("airflow.sdk.execution_time.context", "NEVER_EXPIRE"),
        "trigger on_kill": has("airflow.triggers.base", "BaseTrigger.on_kill"),
        "state of a task for its worker": has(
            "airflow.sdk.execution_time.task_runner", "RuntimeTaskInstance.get_task_states"
        ),
        "connection form": form >= {"organization_id", "max_calls_per_second"},
        "connection test": bool(hook and hook.connection_testable),
        "extra links": "kling_airflow.links.ClipLink" in manager.extra_links_class_names,
        "retry policy": has("airflow.sdk", "RetryPolicy"),
        "pages of plugins": has("airflow.plugins_manager", "AirflowPlugin.external_views"),
        "skip by the safety net": has("airflow.sdk.exceptions", "TaskDeferralTimeout")
        or has("airflow.exceptions", "TaskDeferralTimeout"),
        "loops": has("airflow.sdk.definitions.decorators.task_group", "_TaskGroupFactory.loop"),
    }


def main() -> None:
    """Print what was found."""
    found = {
        "airflow": version("apache-airflow"),
        "common-compat": version("apache-airflow-providers-common-compat"),
        "schema": schema_accepts(),
        "features": features(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
