"""The public names of `kling_airflow.polling`, loaded only when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kling_airflow import polling

NAMES = [
    "NoMetrics",
    "PollMetrics",
    "Poller",
    "RateLimiter",
    "Wait",
    "Waiter",
    "from_event",
    "poller_of",
    "to_event",
]


def test_the_exported_names() -> None:
    assert polling.__all__ == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_name_can_be_imported(name: str) -> None:
    assert getattr(polling, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        assert polling.nothing_of_this_name


def test_importing_the_package_loads_no_module_of_it() -> None:
    code = (
        "import sys, kling_airflow.polling;"
        "print([m for m in sys.modules if m.startswith('kling_airflow.polling.')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
