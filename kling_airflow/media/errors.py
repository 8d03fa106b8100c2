"""What can be wrong with a frame, a clip, or the way to them."""

from __future__ import annotations


class MediaError(Exception):
    """The root of everything ``media`` raises; the text names the field, the value and the limit."""


class InvalidFrame(MediaError):
    """The image can't be made, or isn't, a frame that the queue takes. Trying again changes nothing."""


class InvalidClip(MediaError):
    """The clip doesn't open, has no video, or isn't what was asked for."""


class DownloadFailed(MediaError):
    """The bytes didn't arrive whole.

    :param retryable: False where another try can't help: over the size limit, a scheme that isn't http(s).
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        self.retryable = retryable
        super().__init__(message)
