"""The models of the queue: what each one takes, what it costs, what it answers.

The public face is small: the ids, :data:`MODELS`, :func:`spec_of`, :func:`payload_problems`; and beside this
room ``kling_airflow.prices.price_usd`` and ``kling_airflow.payloads.ClipOptions``.

A new model is one entry in ``table.py``, one test, and one row in ``docs/models.md``.
"""

from __future__ import annotations

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
from kling_airflow.models.lookup import spec_of
from kling_airflow.models.price import Price
from kling_airflow.models.table import (
    CREATE_ELEMENT,
    CUSTOM_VOICE,
    IDENTIFY_FACE,
    IMAGE_TO_VIDEO,
    LIP_SYNC,
    MODELS,
    MOTION_CONTROL,
    OMNI,
    TEXT_TO_VIDEO,
    TURBO_IMAGE_TO_VIDEO,
    TURBO_TEXT_TO_VIDEO,
)

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
