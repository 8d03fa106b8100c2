"""An answer that is a refusal: a status code, a text, and headers."""

from __future__ import annotations


class Refusal(Exception):
    """The service refuses a call.

    :param status: the HTTP status code.
    :param message: the text in `error`.
    :param headers: headers of the answer besides the usual ones.
    :param body: the whole body if it is not the usual JSON; its content type is in `headers`.
    """

    def __init__(
        self, status: int, message: str, *, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> None:
        self.status = status
        self.message = message
        self.headers = headers or {}
        self.body = body
        super().__init__(f"{status} {message}")


def storage_refusal(status: int, code: str, message: str) -> Refusal:
    """Return a refusal of the object store: XML, as two users saw; the elements are assumed."""
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f"<?xml version='1.0' encoding='UTF-8'?>{error}".encode()
    return Refusal(status, message, body=body, headers={"content-type": "application/xml; charset=UTF-8"})
