"""The models of the queue: what each one takes, what it costs, what it answers.

The public face is small: the ids, :data:`MODELS`, :func:`spec_of`, :func:`payload_problems`; and beside this
room ``kling_airflow.prices.price_usd`` and ``kling_airflow.payloads.ClipOptions``.

A new model is one entry in ``table.py``, one test, and one row in ``docs/models.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.models.check import payload_problems, refuse_payload
    from kling_airflow.models.entry import (
        Address,
        Choice,
        Items,
        Json,
        ModelSpec,
        Number,
        Option,
        Seconds,
        Switch,
        Text,
    )
    from kling_airflow.models.ids import (
        CREATE_ELEMENT,
        CUSTOM_VOICE,
        IDENTIFY_FACE,
        IMAGE_TO_VIDEO,
        LIP_SYNC,
        MOTION_CONTROL,
        OMNI,
        TEXT_TO_VIDEO,
        TURBO_IMAGE_TO_VIDEO,
        TURBO_TEXT_TO_VIDEO,
    )
    from kling_airflow.models.lookup import spec_of
    from kling_airflow.models.price import Price
    from kling_airflow.models.table import MODELS

__all__ = [
    "CREATE_ELEMENT",
    "CUSTOM_VOICE",
    "IDENTIFY_FACE",
    "IMAGE_TO_VIDEO",
    "LIP_SYNC",
    "MODELS",
    "MOTION_CONTROL",
    "OMNI",
    "TEXT_TO_VIDEO",
    "TURBO_IMAGE_TO_VIDEO",
    "TURBO_TEXT_TO_VIDEO",
    "Address",
    "Choice",
    "Items",
    "Json",
    "ModelSpec",
    "Number",
    "Option",
    "Price",
    "Seconds",
    "Switch",
    "Text",
    "payload_problems",
    "refuse_payload",
    "spec_of",
]

_HOME = {
    "CREATE_ELEMENT": "ids",
    "CUSTOM_VOICE": "ids",
    "IDENTIFY_FACE": "ids",
    "IMAGE_TO_VIDEO": "ids",
    "LIP_SYNC": "ids",
    "MODELS": "table",
    "MOTION_CONTROL": "ids",
    "OMNI": "ids",
    "TEXT_TO_VIDEO": "ids",
    "TURBO_IMAGE_TO_VIDEO": "ids",
    "TURBO_TEXT_TO_VIDEO": "ids",
    "Address": "entry",
    "Choice": "entry",
    "Items": "entry",
    "Json": "entry",
    "ModelSpec": "entry",
    "Number": "entry",
    "Option": "entry",
    "Price": "price",
    "Seconds": "entry",
    "Switch": "entry",
    "Text": "entry",
    "payload_problems": "check",
    "refuse_payload": "check",
    "spec_of": "lookup",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
