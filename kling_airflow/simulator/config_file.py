"""Reads the settings from a TOML file, and checks the faults that settings name."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kling_airflow.simulator.settings import Settings, problems


def load(path: Path, **overrides: Any) -> Settings:
    """Read settings from a TOML file.

    :param path: the file; its keys are the fields of `Settings`, accounts are `[[accounts]]` tables.
    :param overrides: what replaces the file's values.
    :raises ValueError: naming the file, the field and what is wrong with it.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = Settings(**(values | overrides))
        check_faults(settings.faults)
    except ValueError as error:
        raise ValueError(f"{path}: {problems(error)}") from error
    return settings


def check_faults(faults: Iterable[Mapping[str, Any]]) -> None:
    """Check faults without putting them in force.

    :param faults: each as `POST /_simulator/faults` takes it.
    :raises ValueError: naming what is wrong.
    """
    for fault in faults:
        from kling_airflow.simulator.faults.schedule import read_fault

        read_fault(str(fault.get("name")), {key: fault[key] for key in fault if key != "name"})
