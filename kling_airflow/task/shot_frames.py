"""The frames of a storyboard's shots: read, made fit, and identified by the picture that was given."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidArgument, InvalidFrame, KlingError
from kling_airflow.storyboard.shot import FRAMES
from kling_airflow.submission.source_frame import ImageDelivery, SourceFrame, read_source, without_query

if TYPE_CHECKING:
    from kling_airflow.hooks.allowed_addresses import WrittenPlaces
    from kling_airflow.media.frame import FrameOptions
    from kling_airflow.storyboard.shot import Shot
    from kling_airflow.submission.order import Log
    from kling_airflow.task.shot_landing import ClipStore


@dataclass(frozen=True)
class ShotFrames:
    """Reads the frames of shots.

    :param written: the places that the DAG's code names for frames.
    :param delivery: how the frames get to the queue.
    :param options: how pictures are made frames; None if they are used as they are.
    :param conn_id: the connection of the frames' store; None for the store's default.
    """

    written: WrittenPlaces
    delivery: ImageDelivery
    options: FrameOptions | None
    conn_id: str | None = None
    _decoding: Any = field(default_factory=threading.Lock)

    def read(self, shot: Shot, log: Log, store: ClipStore) -> tuple[dict[str, SourceFrame], dict[str, str]]:
        """Return a shot's frames, and what identifies each in the order, by the payload's field.

        A frame that is made of a picture is identified in the order by that picture, the shape and the fit:
        another release of Pillow makes other bytes of it, and the order stays the same.

        :param store: where the last frame of the shot is that this one continues.
        :raises KlingError: if a frame can't be read, or can't be made one that the queue takes.
        """
        frames, identities = {}, {}
        for name, argument in FRAMES.items():
            source = getattr(shot, name)
            if source is not None:
                chained = name == "frame" and shot.continues is not None
                payload_field = shot.options.spec.frame_arguments[argument]
                try:
                    frame, identity = self._frame(name, source, log, store if chained else None)
                except KlingError as error:
                    if f"`{name}`" in error.what:
                        raise
                    raise error.named(f"`{name}`") from error
                frames[payload_field], identities[payload_field] = frame, identity
        return frames, identities

    def _frame(self, name: str, source: str, log: Log, store: ClipStore | None) -> tuple[SourceFrame, str]:
        """Return a frame; the last frame of another shot, which lies in the store, is used exactly."""
        if store is not None:
            frame = read_source(name, source, self.delivery, store.read_last_frame, store.sign, log)
        elif self.options is None or self.delivery is ImageDelivery.URL:
            frame = read_source(name, source, self.delivery, self._read, self._presign, log)
        else:
            return self._prepared(name, source, self.options)
        return frame, frame.identity

    def _prepared(self, name: str, source: str, options: FrameOptions) -> tuple[SourceFrame, str]:
        from kling_airflow.media.frame import prepare_frame
        from kling_airflow.media.picture_identity import picture_identity

        data = self._read(source, name)
        try:
            with self._decoding:  # one large picture in memory at a time
                made = prepare_frame(data, options)
        except InvalidFrame as error:
            raise InvalidArgument(
                f"`{name}` ({without_query(source)}) can't be made a frame: {error.what}"
            ) from error
        frame = SourceFrame(source, picture_identity(made.data), made.data, made.info.format, self._presign)
        given = f"{picture_identity(data)} {options.aspect_ratio} {options.fit}"
        return frame, hashlib.sha256(given.encode()).hexdigest()

    def _read(self, source: str, name: str) -> bytes:
        from kling_airflow.hooks.frame_source import read_allowed_frame
        from kling_airflow.media.limits import MAX_FRAME_BYTES, MAX_SOURCE_BYTES

        most = MAX_FRAME_BYTES if self.options is None else MAX_SOURCE_BYTES
        return read_allowed_frame(source, name, self.written, conn_id=self.conn_id, max_bytes=most)

    @property
    def _presign(self) -> Callable[[str], str]:
        from kling_airflow.hooks.frame_source import presign_allowed

        return lambda source: presign_allowed(source, "frame", self.written, conn_id=self.conn_id)
