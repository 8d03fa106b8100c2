"""All operators, sensors and transfers of the package, found by a walk, so that none is forgotten."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import kling_airflow
from kling_airflow.airflow_compat import BaseOperator


def package_operators() -> dict[str, type[Any]]:
    """Return each by its name, the base classes of others left out."""
    found: dict[str, type[Any]] = {}
    for folder in ("operators", "sensors", "transfers"):
        package = importlib.import_module(f"{kling_airflow.__name__}.{folder}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, BaseOperator):
                    found[f"{value.__module__}.{value.__name__}"] = value
    bases = {base for kind in found.values() for base in kind.__mro__[1:]}
    return {
        kind.__name__: kind
        for kind in found.values()
        if kind not in bases and kind.__module__.startswith(f"{kling_airflow.__name__}.")
    }
