"""Every fault type by its name, in the order of the docs."""

from __future__ import annotations

from kling_airflow.simulator.faults import (
    answer,
    catalogue,
    connection,
    errors,
    keys,
    lifecycle,
    list,  # noqa: A004
    media,
    record,
)
from kling_airflow.simulator.faults.registry import REGISTERED

MODULES = (connection, errors, keys, answer, lifecycle, record, list, catalogue, media)
"""The modules that register fault types."""

FAULT_TYPES = {
    name: fault_type
    for module in MODULES
    for name, fault_type in REGISTERED.items()
    if fault_type.effect.__module__ == module.__name__
}
