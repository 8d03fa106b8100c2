"""Brings frames to where the queue can read them, and marks them so that the request can be found again."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from kling_airflow.errors import InvalidArgument, NotFound, WrongService
from kling_airflow.submission.order import DeliveredFrames, Log

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

        :raises InvalidArgument: for any other word.
        """
        try:
            return cls(str(value).strip().lower())
        except ValueError:
            words = ", ".join(cls)
            raise InvalidArgument(f"`image_delivery` is {value!r}; it must be one of {words}") from None


class Uploads(Protocol):
    """What a delivery needs of a client."""

    def upload(self, data: bytes, file_type: str) -> str:
        """Store a frame and return its public URL, unique per upload."""
        ...


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A frame as the user gave it, read and checked.

    :param source: where it came from.
    :param identity: a hash of its content; of its address without the query where that is passed on.
    :param data: its bytes; None where it couldn't be read and is only passed on.
    :param format: "jpeg" or "png"; "" where it couldn't be read.
    :param presign: makes an address of an object in a store that the queue can read.
    """

    source: str
    identity: str
    data: bytes | None = field(repr=False)
    format: str
    presign: Callable[[str], str]

    @property
    def is_url(self) -> bool:
        """Whether the source is a URL already."""
        return self.source.lower().startswith(("http://", "https://"))

    def address(self) -> str:
        """Return an address that the queue can read: the source's own, or a presigned one."""
        return self.source if self.is_url else self.presign(self.source)


def read_source(
    name: str,
    source: object,
    how: ImageDelivery,
    read: Callable[[str, str], bytes],
    presign: Callable[[str], str],
    log: Log,
) -> SourceFrame:
    """Read a frame and check it against the queue's limits, before money is spent.

    :param name: the field, for errors: ``image`` or ``image_tail``.
    :param source: an object-storage URI or an http(s) URL.
    :param read: returns the bytes of a source, given the field's name for errors.
    :param presign: makes an address of an object in a store that the queue can read.
    :param how: only under ``url`` may a URL be unreadable from here: the queue may still read it.
    :raises InvalidArgument: naming the field, what it holds, and the limit.
    """
    from kling_airflow.errors import InvalidArgument, InvalidFrame, MediaError
    from kling_airflow.media.frame_check import check_frame

    uri = _uri(name, source)
    passed_on = how is ImageDelivery.URL and uri.lower().startswith(("http://", "https://"))
    try:
        data = read(uri, name)
        info = check_frame(data)
    except InvalidFrame as error:
        raise InvalidArgument(
            f"`{name}` ({_without_query(uri)}) is no frame: {error.what}", todo=error.todo
        ) from error
    except (MediaError, InvalidArgument) as error:
        if passed_on:
            log.warning("`%s` can't be read from here, so it is passed on unchecked: %s", name, error.what)
            return SourceFrame(uri, _address_hash(uri), None, "", presign)
        raise
    # What may be unreadable the next time is told by its address each time.
    identity = _address_hash(uri) if passed_on else info.sha256
    return SourceFrame(uri, identity, data, info.format, presign)


def _uri(name: str, source: object) -> str:
    """Return the text of a frame's source, told apart from what people also try."""
    if not isinstance(source, str) or not source.strip():
        raise InvalidArgument(f"`{name}` is {source!r}; it must be an object-storage URI or an http(s) URL.")
    uri = source.strip()
    if uri[:5].lower() == "data:":
        raise InvalidArgument(
            f"`{name}` is a `data:` URL; store the frame and give its URI, or its http(s) URL.",
            todo='With `image_delivery="base64"` the operator makes the Base64 itself.',
        )
    if "://" not in uri:
        raise InvalidArgument(
            f"`{name}` is {uri[:80]!r}, which has no scheme; it must be like s3://bucket/frame.png,"
            " file:///folder/frame.png or https://..."
        )
    return uri


def _address_hash(uri: str) -> str:
    return f"address:{hashlib.sha256(_without_query(uri).encode()).hexdigest()}"


def _without_query(uri: str) -> str:
    """Return an address without its query: that is where signatures stand."""
    return uri.partition("?")[0]


def deliver(
    frames: Mapping[str, SourceFrame],
    how: ImageDelivery,
    client: Uploads,
    log: Log,
    *,
    marker: str | None,
    addresses: Mapping[str, str],
) -> DeliveredFrames:
    """Bring the frames to the queue; return what the payload says of each.

    :param frames: by field, the start frame (``image``) first.
    :param marker: of an earlier delivery of the same order, to be carried again.
    :param addresses: of an earlier delivery of the same order, to be used again.
    """
    if addresses and how in {ImageDelivery.AUTO, ImageDelivery.UPLOAD}:
        return DeliveredFrames(addresses, marker, addresses)
    if how is ImageDelivery.BASE64:
        return _embedded(frames, marker)
    if how is ImageDelivery.URL:
        return DeliveredFrames({name: frame.address() for name, frame in frames.items()})
    try:
        return _uploaded(frames, client)
    except (NotFound, WrongService) as error:
        if how is ImageDelivery.UPLOAD:
            raise
        return _without_uploads(frames, marker, error, log)


def _uploaded(frames: Mapping[str, SourceFrame], client: Uploads) -> DeliveredFrames:
    addresses = {name: client.upload(frame.data or b"", frame.format) for name, frame in frames.items()}
    return DeliveredFrames(addresses, next(iter(addresses.values())), addresses)


def _embedded(frames: Mapping[str, SourceFrame], marker: str | None) -> DeliveredFrames:
    """Put the frames into the payload, a nonce in the start frame's metadata as their marker."""
    from kling_airflow.media.image_comment import with_comment

    if marker is None or not marker.startswith(_NONCE):
        marker = f"{_NONCE}{secrets.token_hex(12)}"
    values = {}
    for name, frame in frames.items():
        marked = with_comment(frame.data or b"", f"{marker} {name}")
        values[name] = base64.b64encode(marked).decode("ascii")
    return DeliveredFrames(values, marker)


def _without_uploads(
    frames: Mapping[str, SourceFrame], marker: str | None, error: Exception, log: Log
) -> DeliveredFrames:
    if all(frame.source.lower().startswith("https://") for frame in frames.values()):
        log.warning(
            "The queue takes no uploads (%s), so the frames' own addresses are passed on. What is lost:"
            " they may expire before the queue reads them, and a lost answer can't be found by a marker.",
            error,
        )
        return DeliveredFrames({name: frame.source for name, frame in frames.items()})
    log.warning(
        "The queue takes no uploads (%s), so the frames are sent as Base64. What is lost: the payload is"
        " large, and so is each row of the queue's list that echoes it.",
        error,
    )
    return _embedded(frames, marker)
