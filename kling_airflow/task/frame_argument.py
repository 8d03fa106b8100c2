"""What users pass as a frame, read as its address."""

from __future__ import annotations

import ast
import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import address_or_none, check_source, file_address
from kling_airflow.arguments import name_or_none, refuse_unsendable, text_or_none
from kling_airflow.errors import InvalidArgument
from kling_airflow.yaml_habits import yaml_hint

if TYPE_CHECKING:
    from kling_airflow.submission.source_frame import ImageDelivery


def frame_or_none(field: str, value: Any) -> str | None:
    """Return the address of a frame; None if no frame is given.

    :param field: the argument's name, for the error.
    :param value: an address, or an absolute path; a ``pathlib.Path`` or ``ObjectStoragePath``; an asset; the
        dict that ``PrepareFrameOperator`` returns, or its text as a template renders it.
    :raises InvalidArgument: for anything else.
    """
    if isinstance(value, str):
        if text_or_none(value) is None:
            return None
        value = _structure(value.strip())
    if isinstance(value, dict) and not isinstance(value.get("uri"), str):
        raise InvalidArgument(
            f"`{field}` is a dict without a `uri`; it must be what PrepareFrameOperator returns."
        )
    if isinstance(value, PurePath) and not value.is_absolute():
        raise InvalidArgument(
            f"`{field}` is the relative path {str(value)!r}; it must be a whole path, or an address."
        )
    if not isinstance(value, str) and (hint := yaml_hint(value)):
        raise InvalidArgument(f"`{field}` is {value!r}; it must be an address.{hint}")
    address = address_or_none(field, value)
    refuse_unsendable(field, address)
    return file_address(address) if address is not None and address.startswith("/") else address


def check_frame(field: str, value: Any) -> None:
    """Refuse what can't be the address of a frame, before anything is opened.

    :raises InvalidArgument: no address, or one without a scheme, a bucket or a file name.
    """
    from kling_airflow.submission.source_frame import frame_uri

    address = frame_uri(field, frame_or_none(field, value))
    check_source(address, field)


def delivery(value: object) -> ImageDelivery:
    """Return how the frames get to the queue; ``auto`` for None and what templates make of it.

    :raises InvalidArgument: for any other word.
    """
    from kling_airflow.submission.source_frame import ImageDelivery

    word = name_or_none("image_delivery", value)
    return ImageDelivery.AUTO if word is None else ImageDelivery.read(word)


def _structure(text: str) -> Any:
    """Return the dict whose JSON, or whose Python text, this is; any other text as it is."""
    if text.startswith("{"):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            return found
    return text
