"""Submit once: what is remembered of a submission, and the steps that never buy a clip twice.

Usable without Airflow. Importing this package costs nothing; a public name is loaded when it is first used::

    from kling_airflow.gmi import GMIClient
    from kling_airflow.submission import MemoryLedger, Submitter

    submitter = Submitter(GMIClient(api_key), MemoryLedger(), logging.getLogger(), until=time.time() + 600)
    submitted = submitter.submit(order)  # an Order: what is asked, and how its frames get to the queue
    print(submitted.request_id, submitted.fresh)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.submission.ledger import Ledger, MemoryLedger
    from kling_airflow.submission.ledger_admin import LedgerAdmin
    from kling_airflow.submission.lost_memory import LostMemory
    from kling_airflow.submission.object_store import ObjectStoreLedger
    from kling_airflow.submission.order import (
        DeliveredFrames,
        OnChanged,
        OnUnresolved,
        Order,
        SubmitLater,
        Submitted,
    )
    from kling_airflow.submission.record import State, SubmissionRecord, fingerprint
    from kling_airflow.submission.source_frame import ImageDelivery, SourceFrame
    from kling_airflow.submission.submit import Submitter
    from kling_airflow.submission.task_key import TaskKey
    from kling_airflow.submission.task_state import TaskStateLedger

__all__ = [
    "DeliveredFrames",
    "ImageDelivery",
    "Ledger",
    "LedgerAdmin",
    "LostMemory",
    "MemoryLedger",
    "ObjectStoreLedger",
    "OnChanged",
    "OnUnresolved",
    "Order",
    "SourceFrame",
    "State",
    "SubmissionRecord",
    "SubmitLater",
    "Submitted",
    "Submitter",
    "TaskKey",
    "TaskStateLedger",
    "fingerprint",
]

_HOME = {
    "DeliveredFrames": "order",
    "ImageDelivery": "source_frame",
    "Ledger": "ledger",
    "LedgerAdmin": "ledger_admin",
    "LostMemory": "lost_memory",
    "MemoryLedger": "ledger",
    "ObjectStoreLedger": "object_store",
    "OnChanged": "order",
    "OnUnresolved": "order",
    "Order": "order",
    "SourceFrame": "source_frame",
    "State": "record",
    "SubmissionRecord": "record",
    "SubmitLater": "order",
    "Submitted": "order",
    "Submitter": "submit",
    "TaskKey": "task_key",
    "TaskStateLedger": "task_state",
    "fingerprint": "record",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
