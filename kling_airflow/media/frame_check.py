"""Checks that a file is a frame that the queue takes, and measures it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.decode import open_picture
from kling_airflow.media.file_signature import JPEG, PNG
from kling_airflow.media.file_type import describe_file, detect_file_type
from kling_airflow.media.geometry import MAX_SHAPE, MIN_SIDE
from kling_airflow.media.limits import MAX_FRAME_BYTES, MAX_PIXELS

_FORMATS = {JPEG: "jpeg", PNG: "png"}


@dataclass(frozen=True)
class FrameInfo:
    """What a frame measures.

    :param format: "jpeg" or "png".
    :param width: pixels, as stored.
    :param height: pixels, as stored.
    :param bytes: size of the file.
    :param sha256: of the file, in hex.
    """

    format: str
    width: int
    height: int
    bytes: int
    sha256: str


def check_frame(data: bytes) -> FrameInfo:
    """Return what a frame measures; refuse a frame that breaks one of the queue's documented limits.

    The frame is decoded once, strictly, so that a damaged file is found before a clip is paid for.

    :param data: a whole JPEG or PNG file.
    :raises InvalidFrame: not a readable JPEG or PNG, over 10 MB, a side under 300 px, or a shape
        outside 1:2.5 to 2.5:1.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise InvalidFrame(
            f"The frame has {len(data):,} bytes; the limit is {MAX_FRAME_BYTES:,}.",
            todo="Let `PrepareFrameOperator` make a smaller file of it.",
        )
    kind = _FORMATS.get(detect_file_type(data))
    if kind is None:
        raise InvalidFrame(
            f"The frame is not a readable .jpg or .png: it is {describe_file(data)} ({len(data):,} bytes); "
            "the queue takes nothing else.",
            todo="Let `PrepareFrameOperator` make a frame of it: it reads other formats.",
        )
    with _reading():
        picture = open_picture(data, max_pixels=MAX_PIXELS)
    with picture:
        width, height = picture.stored_size
        _check_size(width, height)
        with _reading():
            picture.decode(scale=0.0)
    return measured(data, kind, width, height)


def measured(data: bytes, kind: str, width: int, height: int) -> FrameInfo:
    """Return what a frame measures whose pixels are known to be whole.

    :raises InvalidFrame: a side under 300 px, or a shape outside 1:2.5 to 2.5:1.
    """
    _check_size(width, height)
    return FrameInfo(kind, width, height, len(data), hashlib.sha256(data).hexdigest())


@contextmanager
def _reading() -> Iterator[None]:
    """Say of an error in reading the picture that it is about the frame."""
    try:
        yield
    except InvalidFrame as error:
        raise InvalidFrame(
            f"The frame is not a readable .jpg or .png: {error.what}", todo=error.todo
        ) from error


def _check_size(width: int, height: int) -> None:
    short, long = sorted((width, height))
    if short < MIN_SIDE:
        raise InvalidFrame(
            f"The frame is {width} x {height} px; both sides must have at least {MIN_SIDE} px.",
            todo="Use a larger picture.",
        )
    if long > short * MAX_SHAPE:
        raise InvalidFrame(
            f"The frame is {width} x {height} px, a shape of {width / height:.3g}:1; the limits are 1:2.5 "
            "and 2.5:1.",
            todo="Let `PrepareFrameOperator` crop or pad it.",
        )
