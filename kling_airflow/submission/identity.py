"""What makes a frame, or a video, the same one: its content, or its address if it is only passed on."""

from __future__ import annotations

import hashlib
from typing import Final

from kling_airflow.submission import normal_form
from kling_airflow.submission.order import ADDRESS

VIDEO: Final = "video:"
"""The beginning of the identity of a video whose bytes are known."""


def content_identity(data: bytes, *, like: str = "") -> str:
    """Return a hash of what a picture shows, whatever its metadata; of a video, of all its bytes.

    :param like: an identity; the hash is of the same kind, so that the two can be compared.
    """
    if like.startswith(VIDEO):
        return f"{VIDEO}{hashlib.sha256(data).hexdigest()}"
    from kling_airflow.media.picture_identity import picture_identity

    return picture_identity(data)


def address_identity(address: str) -> str:
    """Return a hash of an address without its signature, which changes from try to try."""
    return f"{ADDRESS}{hashlib.sha256(normal_form.address(address).encode()).hexdigest()}"
