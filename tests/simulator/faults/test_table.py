"""The table of fault types is whole: each has a test, options that can be given, and a file of its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from kling_airflow.simulator.faults import registry
from kling_airflow.simulator.faults.registry import Stage
from kling_airflow.simulator.faults.schedule import Selector
from kling_airflow.simulator.faults.table import FAULT_TYPES, MODULES

TESTS = Path(__file__).parents[1]
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("name", sorted(FAULT_TYPES))
def test_fault_has_a_test(name: str) -> None:
    assert f'"{name}"' in SOURCES


@pytest.mark.parametrize("name", sorted(FAULT_TYPES))
def test_option_is_not_hidden_by_a_selector(name: str) -> None:
    assert not set(FAULT_TYPES[name].defaults) & {"name", *Selector.model_fields}


@pytest.mark.parametrize("name", sorted(FAULT_TYPES))
def test_defaults_fit(name: str) -> None:
    for option in FAULT_TYPES[name].options:
        option.check(option.default)


def test_every_module_of_faults_is_in_the_table() -> None:
    files = {path.stem for path in Path(registry.__file__).parent.glob("*.py")}
    plumbing = {"__init__", "call", "options", "registry", "schedule", "table"}
    assert {module.__name__.rpartition(".")[2] for module in MODULES} == files - plumbing
    assert set(registry.REGISTERED) == set(FAULT_TYPES)


def test_two_functions_can_not_have_one_name() -> None:
    with pytest.raises(ValueError, match="capacity"):
        registry.register("capacity", Stage.LIST, ())(lambda query: None)
