"""Brings frames to where the queue can read them, and marks them so that the request can be found again."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Protocol

from kling_airflow.errors import InvalidArgument, NotFound, WrongService
from kling_airflow.submission.marks import NONCE, new_nonce, order_mark
from kling_airflow.submission.order import DeliveredFrames, Log
from kling_airflow.submission.source_frame import VIDEO_FORMAT, ImageDelivery, SourceFrame


class Uploads(Protocol):
    """The call of a client that a delivery makes."""

    def upload(self, data: bytes, file_type: str) -> str:
        """Store a frame and return its public URL, unique per upload."""
        ...


def deliver(
    frames: Mapping[str, SourceFrame],
    how: ImageDelivery,
    client: Uploads,
    log: Log,
    *,
    order_id: str,
    marker: str | None,
    addresses: Mapping[str, str],
) -> DeliveredFrames:
    """Bring the frames to the queue; return the payload's value of each.

    :param frames: by place in the payload, the start frame (``image``) first; videos among them.
    :param order_id: the order's id: it goes into the metadata of each frame that is uploaded or embedded.
    :param marker: the marker of an earlier delivery of the same order, to be used again.
    :param addresses: the addresses of an earlier delivery of the same order, to be used again.
    """
    if not frames:
        return DeliveredFrames()
    if addresses and how in {ImageDelivery.AUTO, ImageDelivery.UPLOAD}:
        return DeliveredFrames(addresses, marker, addresses)
    if how is ImageDelivery.BASE64:
        return _embedded(frames, order_id, marker)
    if how is ImageDelivery.URL:
        return DeliveredFrames({name: frame.address() for name, frame in frames.items()})
    try:
        return _uploaded(frames, client, order_id)
    except (NotFound, WrongService) as error:
        if how is ImageDelivery.UPLOAD:
            raise
        return _without_uploads(frames, order_id, marker, error, log)


def _uploaded(frames: Mapping[str, SourceFrame], client: Uploads, order_id: str) -> DeliveredFrames:
    mark = order_mark(order_id)
    addresses = {name: client.upload(_marked(frame, mark), frame.format) for name, frame in frames.items()}
    return DeliveredFrames(addresses, next(iter(addresses.values())), addresses)


def _embedded(frames: Mapping[str, SourceFrame], order_id: str, marker: str | None) -> DeliveredFrames:
    """Put the frames into the payload, with a nonce in each frame's metadata as their marker."""
    if marker is None or not marker.startswith(NONCE):
        marker = new_nonce()
    values = {}
    for name, frame in frames.items():
        data = _marked(frame, f"{marker} {name} {order_mark(order_id)}")
        values[name] = base64.b64encode(data).decode("ascii")
    return DeliveredFrames(values, marker)


def _marked(frame: SourceFrame, comment: str) -> bytes:
    """Return a frame's bytes with a comment in its metadata; a video's as they are."""
    if frame.format == VIDEO_FORMAT:
        return frame.data or b""
    from kling_airflow.media.image_comment import with_comment

    return with_comment(frame.data or b"", comment)


def _without_uploads(
    frames: Mapping[str, SourceFrame], order_id: str, marker: str | None, error: Exception, log: Log
) -> DeliveredFrames:
    if all(frame.source.lower().startswith("https://") for frame in frames.values()):
        log.warning(
            "The queue takes no uploads (%s), so the frames' own addresses are passed on. What is lost:"
            " they may expire before the queue reads them, and a lost answer can't be found by a marker.",
            error,
        )
        return DeliveredFrames({name: frame.source for name, frame in frames.items()})
    if any(frame.format == VIDEO_FORMAT for frame in frames.values()):
        raise InvalidArgument(
            f"The queue takes no uploads ({error}), and a video can't be sent as Base64.",
            todo="Give the video, and the frames, as https:// addresses.",
        ) from error
    log.warning(
        "The queue takes no uploads (%s), so the frames are sent as Base64. What is lost: the payload is"
        " large, and so is each row of the queue's list that echoes it.",
        error,
    )
    return _embedded(frames, order_id, marker)
