"""What can be wrong with a frame, a clip, the way to them, or the place they go to."""

from __future__ import annotations


class MediaError(Exception):
    """The root of everything ``media`` raises; the text names the field, the value and the limit."""


class InvalidArgument(MediaError):
    """A parameter can't be used as it stands.

    A malformed address, an unknown word, a number out of range, the name of something that isn't there.
    Trying again changes nothing.
    """


class InvalidFrame(MediaError):
    """The image can't be made, or isn't, a frame that the queue takes. Trying again changes nothing."""


class InvalidClip(MediaError):
    """The clip doesn't open, has no video, or isn't what was asked for."""


class DownloadFailed(MediaError):
    """The bytes didn't arrive whole.

    :param retryable: False where another try can't help: over the size limit, a scheme that isn't http(s).
    :param gone: True where the address itself is dead (401, 403, 404, 410, connection refused, unknown
        host), so that a fresh address for the same thing may still work.
    """

    def __init__(self, message: str, *, retryable: bool = True, gone: bool = False) -> None:
        self.retryable = retryable
        self.gone = gone
        super().__init__(message)


class StorageFailed(MediaError):
    """The store did not do what it was asked: no permission, no answer, a wrong size. A retry asks again."""


def in_short(error: BaseException) -> str:
    """Return a library's complaint in one short line, without memory addresses."""
    text = " ".join(str(error).split()).partition("<_io.BytesIO")[0].strip()
    return f"{type(error).__name__}: {text[:300]}".rstrip(": ")
