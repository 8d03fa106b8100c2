"""What Airflow's own provider manager makes of our metadata."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

import kling_airflow
from kling_airflow.get_provider_info import get_provider_info
from tests.airflow_versions import AIRFLOW as VERSION

AIRFLOW = Path(airflow.__file__).parent


@pytest.mark.parametrize("schema", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_the_metadata_fits_the_schema(schema: str) -> None:
    rules: dict[str, Any] = json.loads((AIRFLOW / schema).read_text())
    info = get_provider_info()
    if schema == "provider.yaml.schema.json":
        # Only the keys whose rules stand nowhere else: the connection form's.
        rules = rules["properties"]["connection-types"]
        info = info["connection-types"]
    jsonschema.validate(info, rules)


def test_airflow_finds_the_provider_and_its_hook() -> None:
    manager = ProvidersManager()
    assert "kling-airflow" in manager.providers
    hook = manager.hooks["gmi_cloud"]
    assert hook is not None
    assert hook.hook_class_name == "kling_airflow.hooks.gmi.GMICloudHook"
    assert hook.connection_testable


def test_the_form_shows_key_base_url_and_organization() -> None:
    if VERSION.release[:2] == (3, 0):
        pytest.importorskip("flask_appbuilder", reason="Airflow 3.0 shows no provider's fields without it")
    # In a process of its own: before 3.2 the manager has read the fields here already, without a form.
    code = (
        "import json; from airflow.providers_manager import ProvidersManager;"
        "from tests.matrix.probe import form_fields; fields = sorted(form_fields());"
        "labels = ProvidersManager().field_behaviours['gmi_cloud']['relabeling'];"
        "print(json.dumps([fields, labels]))"  # in one line: another provider may print between two
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    fields, labels = json.loads(done.stdout.splitlines()[-1])
    assert fields == ["max_calls_per_second", "organization_id"]
    assert labels == {"password": "API key", "host": "Base URL"}
    form = get_provider_info()["connection-types"][0]["conn-fields"]
    assert form["organization_id"]["label"] == "Organization ID"


def test_airflow_knows_the_configuration_and_its_default() -> None:
    from airflow.configuration import conf

    if hasattr(conf, "load_providers_configuration"):  # before 3.2 commands load it, and imports do not
        ProvidersManager().initialize_providers_configuration()
    assert conf.getfloat("kling", "max_calls_per_second") == 50


def test_a_ledger_in_a_folder_is_chosen_by_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.configuration import conf

    from kling_airflow.hooks.ledger import configured_deployment, configured_ledger

    for option in ("ledger", "deployment"):
        assert conf.has_option("kling", option) is False
    assert (configured_ledger(), configured_deployment()) == (None, None)
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", "s3://bucket/kling-ledger")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    assert (configured_ledger(), configured_deployment()) == ("s3://bucket/kling-ledger", "prod")


def test_every_operator_module_is_in_it() -> None:
    """Those that define an operator a user would write into a DAG."""
    folder = Path(kling_airflow.__file__).parent / "operators"
    (group,) = get_provider_info()["operators"]
    modules = {f"kling_airflow.operators.{path.stem}" for path in folder.glob("*.py")}
    modules -= {"kling_airflow.operators.base", "kling_airflow.operators.__init__"}
    assert set(group["python-modules"]) == {name for name in modules if _defines_operator(name)}


def _defines_operator(name: str) -> bool:
    return any(
        isinstance(kind, type) and kind.__name__.endswith("Operator") and kind.__module__ == name
        for kind in vars(importlib.import_module(name)).values()
    )


def test_every_module_and_class_in_it_exists() -> None:
    info = get_provider_info()
    names = [
        module
        for kind in ("hooks", "operators", "sensors", "triggers")
        for group in info[kind]
        for module in group["python-modules"]
    ]
    names += [transfer["python-module"] for transfer in info["transfers"]]
    for name in names:
        importlib.import_module(name)
    for path in info["extra-links"]:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)
