"""Brings frames to where the queue can read them, and marks them so that the request can be found again."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from kling_airflow.gmi.errors import InvalidPayload, NotFound, WrongService
from kling_airflow.submission.submit import Delivery


_NONCE = "kling-airflow-"


class ImageDelivery(StrEnum):
    """How a frame gets to the queue."""

    AUTO = "auto"
    """Upload; where the queue has no upload-url, pass an https source on and send any other as Base64."""
    UPLOAD = "upload"
    """Through the queue's upload-url: findable, small, expires nowhere; whoever has its URL can read it."""
    BASE64 = "base64"
    """Inside the payload: private, large."""
    URL = "url"
    """Passed on as it is; an object in a store is presigned."""

    @classmethod
    def read(cls, value: object) -> ImageDelivery:
        """Return the delivery a user names.

        :raises InvalidPayload: for any other word.
        """
        try:
            return cls(str(value).strip().lower())
        except ValueError:
            words = ", ".join(cls)
            raise InvalidPayload(f"`image_delivery` is {value!r}; it must be one of {words}") from None


class Uploads(Protocol):
    """What a delivery needs of a client."""

    def upload(self, data: bytes, file_type: str) -> str:
        """Store a frame and return its public URL, unique per upload."""
        ...


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A frame as the user gave it, read and checked.

    :param source: where it came from.
    :param data: its bytes; None where it is only passed on.
    :param format: "jpeg" or "png".
    :param url: makes the address that is passed on under ``image_delivery="url"``.
    """

    source: str
    data: bytes | None = field(repr=False)
    format: str
    url: Callable[[], str]


def deliver(
    frames: Mapping[str, SourceFrame],
    how: ImageDelivery,
    client: Uploads,
    log: logging.Logger,
    *,
    marker: str | None,
    delivered: Mapping[str, str],
) -> Delivery:
    """Bring the frames to the queue; the delivery's payload holds their fields only.

    :param frames: by field, the start frame (``image``) first.
    :param marker: of an earlier delivery of the same order, to be carried again.
    :param delivered: addresses of an earlier delivery of the same order, to be used again.
    """
    if delivered and how in {ImageDelivery.AUTO, ImageDelivery.UPLOAD}:
        return Delivery(delivered, marker, delivered)
    if how is ImageDelivery.BASE64:
        return _embedded(frames, marker)
    if how is ImageDelivery.URL:
        return Delivery({name: frame.url() for name, frame in frames.items()})
    try:
        return _uploaded(frames, client)
    except (NotFound, WrongService) as error:
        if how is ImageDelivery.UPLOAD:
            raise
        return _without_uploads(frames, marker, error, log)


def _uploaded(frames: Mapping[str, SourceFrame], client: Uploads) -> Delivery:
    addresses = {name: client.upload(frame.data or b"", frame.format) for name, frame in frames.items()}
    return Delivery(addresses, next(iter(addresses.values())), addresses)


def _embedded(frames: Mapping[str, SourceFrame], marker: str | None) -> Delivery:
    """Put the frames into the payload, a nonce in the start frame's metadata as their marker."""
    from kling_airflow.media.comments import with_comment

    if marker is None or not marker.startswith(_NONCE):
        marker = f"{_NONCE}{secrets.token_hex(12)}"
    payload = {}
    for name, frame in frames.items():
        marked = with_comment(frame.data or b"", f"{marker} {name}")
        payload[name] = base64.b64encode(marked).decode("ascii")
    return Delivery(payload, marker)


def _without_uploads(
    frames: Mapping[str, SourceFrame], marker: str | None, error: Exception, log: logging.Logger
) -> Delivery:
    if all(frame.source.lower().startswith("https://") for frame in frames.values()):
        log.warning(
            "The queue takes no uploads (%s), so the frames' own addresses are passed on. What is lost:"
            " they may expire before the queue reads them, and a lost answer can't be found by a marker.",
            error,
        )
        return Delivery({name: frame.source for name, frame in frames.items()})
    log.warning(
        "The queue takes no uploads (%s), so the frames are sent as Base64. What is lost: the payload is"
        " large, and so is each row of the queue's list that echoes it.",
        error,
    )
    return _embedded(frames, marker)
