"""A frame as the user gave it: read, checked and identified before money is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kling_airflow.errors import InvalidArgument, InvalidClip, InvalidFrame, MediaError
from kling_airflow.submission.identity import VIDEO, address_identity, content_identity
from kling_airflow.submission.order import Log

VIDEO_FORMAT: Final = "mp4"
"""The only video format that the queue takes as an upload."""


class ImageDelivery(StrEnum):
    """How a frame gets to the queue."""

    AUTO = "auto"
    """Upload. If the queue has no upload-url, pass an https source on, and send any other as Base64."""
    UPLOAD = "upload"
    """Through the queue's upload-url: findable, small, never expires; anyone who has its URL can read it."""
    BASE64 = "base64"
    """Inside the payload: private, large."""
    URL = "url"
    """Passed on as it is; an object in a store is presigned."""

    @classmethod
    def read(cls, value: object) -> ImageDelivery:
        """Return the delivery that a user names.

        :raises InvalidArgument: for any other word.
        """
        try:
            return cls(str(value).strip().lower())
        except ValueError:
            words = ", ".join(cls)
            raise InvalidArgument(f"`image_delivery` is {value!r}; it must be one of {words}") from None


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A frame as the user gave it, read and checked.

    :param source: its URI or URL.
    :param identity: a hash of what it shows, whatever its metadata; of its address without the signature if
        it is passed on.
    :param data: its bytes; None if it couldn't be read and is only passed on.
    :param format: "jpeg" or "png", "mp4" for a video; "" if a picture couldn't be read.
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
    :param how: only under ``url`` may a URL be unreadable from here: the queue may still read it.
    :param read: returns the bytes of a source, given the field's name for errors.
    :param presign: makes an address of an object in a store that the queue can read.
    :raises InvalidArgument: naming the field, its value, and the limit.
    """
    from kling_airflow.media.frame_check import check_frame

    uri = frame_uri(name, source)
    passed_on = how is ImageDelivery.URL and uri.lower().startswith(("http://", "https://"))
    try:
        data = read(uri, name)
        info = check_frame(data)
    except InvalidFrame as error:
        raise InvalidArgument(f"`{name}` ({without_query(uri)}) is no frame: {error.what}") from error
    except (MediaError, InvalidArgument) as error:
        if passed_on:
            log.warning("`%s` can't be read from here, so it is passed on unchecked: %s", name, error.what)
            return SourceFrame(uri, address_identity(uri), None, "", presign)
        raise
    # A URL that is passed on may be unreadable the next time, so its address identifies it each time.
    identity = address_identity(uri) if passed_on else content_identity(data)
    return SourceFrame(uri, identity, data, info.format, presign)


def read_source_video(
    name: str,
    source: object,
    how: ImageDelivery,
    read: Callable[[str, str], bytes],
    presign: Callable[[str], str],
    log: Log,
    *,
    seconds: tuple[int, int],
) -> SourceFrame:
    """Read an input video and check it against the queue's limits, before money is spent.

    :param name: the field, for errors.
    :param source: an object-storage URI or an http(s) URL of an MP4.
    :param how: as for :func:`read_source`; no video is sent as Base64.
    :param read: returns the bytes of a source, given the field's name for errors; refuses too many of them.
    :param seconds: the shortest and the longest that the queue takes.
    :raises InvalidArgument: naming the field, its value, and the limit.
    """
    from kling_airflow.media.video_check import check_video

    uri = frame_uri(name, source)
    if how is ImageDelivery.BASE64:
        raise InvalidArgument(
            f"`{name}` is a video, and `image_delivery` is `base64`; a video is uploaded or passed on.",
            todo='Set `image_delivery` to "upload" or "url".',
        )
    passed_on = how is ImageDelivery.URL and uri.lower().startswith(("http://", "https://"))
    try:
        data = read(uri, name)
        check_video(data, least=seconds[0], most=seconds[1])
    except InvalidClip as error:
        raise InvalidArgument(f"`{name}` ({without_query(uri)}) can't be used: {error.what}") from error
    except (MediaError, InvalidArgument) as error:
        if passed_on:
            log.warning("`%s` can't be read from here, so it is passed on unchecked: %s", name, error.what)
            return SourceFrame(uri, address_identity(uri), None, VIDEO_FORMAT, presign)
        raise
    identity = address_identity(uri) if passed_on else content_identity(data, like=VIDEO)
    return SourceFrame(uri, identity, data, VIDEO_FORMAT, presign)


def without_query(uri: str) -> str:
    """Return an address without its query, for messages: signatures stand there."""
    return uri.partition("?")[0]


def frame_uri(name: str, source: object) -> str:
    """Return the text of a frame's source; refuse what people also try, by name.

    :raises InvalidArgument: for what is no address.
    """
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
