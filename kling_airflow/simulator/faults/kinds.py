"""Every fault by its name: where it strikes and what can be said about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kling_airflow.simulator.queue import calls


class Stage(StrEnum):
    """Where a fault strikes."""

    LISTENER = "listener"
    UNREAD = "before the request is read"
    BEFORE = "before the request is handled"
    INSTEAD = "instead of handling it"
    AFTER = "after it was handled"
    BODY = "in the answer's body"
    FATE = "in the life of the request"
    LIST = "in the list"
    STORAGE = "in the object store"


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault.

    :param stage: where it strikes.
    :param calls: the calls it can strike.
    :param about: what happens, for people.
    :param options: what can be set, with the defaults; a default of None takes a number.
    :param default_call: the only call it strikes unless another is named; None is all of `calls`.
    :param lasting: in force until removed, rather than once.
    """

    name: str
    stage: Stage
    calls: tuple[str, ...]
    about: str
    options: dict[str, Any] = field(default_factory=dict)
    default_call: str | None = None
    lasting: bool = False


_SUBMIT = (calls.SUBMIT,)
_LIST = (calls.LIST,)
_FILES = (calls.MEDIA, calls.GET_UPLOAD)


def _wire(name: str, stage: Stage, about: str, **options: Any) -> Kind:
    return Kind(name, stage, calls.ALL, about, options, default_call=calls.SUBMIT)


def _fate(name: str, about: str, **options: Any) -> Kind:
    return Kind(name, Stage.FATE, _SUBMIT, about, options)


def _list(name: str, about: str, **options: Any) -> Kind:
    return Kind(name, Stage.LIST, _LIST, about, options, lasting=True)


def _media(name: str, about: str, **options: Any) -> Kind:
    return Kind(name, Stage.BODY, calls.ALL, about, options, default_call=calls.MEDIA)


_KINDS = (
    Kind(
        "refused",
        Stage.LISTENER,
        (),
        "Nothing listens for `seconds`: connections are refused.",
        {"seconds": 1.0},
    ),
    _wire(
        "reset-unread",
        Stage.UNREAD,
        "The connection is reset before the body is read; nothing is created.",
    ),
    _wire(
        "reset-before",
        Stage.BEFORE,
        "The call is read, then the connection is reset; nothing is created.",
    ),
    _wire(
        "late-arrival",
        Stage.BEFORE,
        "The call is held back for `seconds` and only then handled: its sender may have given up.",
        seconds=5.0,
    ),
    _wire(
        "late-not-created",
        Stage.BEFORE,
        "No answer for `seconds`, then a closed connection; nothing is created.",
        seconds=5.0,
    ),
    _wire(
        "rate-limited",
        Stage.INSTEAD,
        "429, with a Retry-After of `retry_after` seconds if set.",
        retry_after=None,
    ),
    Kind(
        "capacity",
        Stage.INSTEAD,
        _SUBMIT,
        "503 `Upstream capacity temporarily exhausted`; nothing is created.",
        {"retry_after": None},
    ),
    Kind(
        "deadline-exceeded",
        Stage.INSTEAD,
        _SUBMIT,
        "500 `context deadline exceeded`; nothing is created.",
    ),
    _wire(
        "bad-gateway",
        Stage.INSTEAD,
        "HTML from a gateway, `status` 502 or 504; nothing is created.",
        status=502,
    ),
    _wire(
        "http-error",
        Stage.INSTEAD,
        "Any `status` with `message` as its error; nothing is created.",
        status=500,
        message="internal error",
    ),
    Kind(
        "deadline-exceeded-created",
        Stage.AFTER,
        _SUBMIT,
        "500 `context deadline exceeded`, and the request exists.",
    ),
    _wire(
        "bad-gateway-created",
        Stage.AFTER,
        "HTML from a gateway, `status` 502 or 504, and the request exists.",
        status=502,
    ),
    _wire("reset-after", Stage.AFTER, "The connection is reset, and the request exists."),
    _wire(
        "late-answer",
        Stage.AFTER,
        "The request exists at once; the answer comes after `seconds`.",
        seconds=5.0,
    ),
    _wire("cut-off", Stage.BODY, "The body ends after `share` of its Content-Length.", share=0.5),
    _wire("invalid-json", Stage.BODY, "The answer is 2xx and no JSON."),
    Kind("without-request-id", Stage.BODY, _SUBMIT, "The answer is 200 and names no request id."),
    _fate(
        "backend-error",
        "500 `Backend error (code)`; no id, but a failed record appears in the list.",
        code=400,
    ),
    _fate("stuck-queued", "Stays `queued` for ever, with updated_at == created_at."),
    _fate("stuck-dispatched", "Stays `dispatched` for ever."),
    _fate(
        "hidden-by-id",
        "In the list, but 404 by id; only in the first `seconds` if set.",
        seconds=None,
    ),
    _fate(
        "failed",
        "Ends as failed with `reason`; after `after` seconds if set.",
        reason="internal error",
        after=None,
    ),
    _fate("failed-rate-limit", "Ends as failed: `rate limit exceeded(RPM)`.", after=None),
    _fate("failed-content-policy", "Ends as failed: the prompt or a frame is refused.", after=None),
    _fate(
        "failed-download",
        "Ends as failed about ten minutes later: `Failed to download media`.",
        after=None,
    ),
    _fate(
        "error-elsewhere",
        "Ends as failed, the reason in `place`: error, error_message, reason or outcome.message.",
        place="error_message",
        reason="internal error",
    ),
    _fate("success-video-url", "The outcome has `video_url` only."),
    _fate("success-string-urls", "The outcome's `media_urls` are plain strings."),
    _fate("success-no-media", "The outcome of a success has no media."),
    _fate(
        "unknown-status",
        "Shows the status `status`, which nobody has documented, while it runs.",
        status="warming_up",
    ),
    _fate("upper-case-status", "Shows its statuses in capitals."),
    _list("list-lag", "The list is `lag` seconds behind.", lag=30.0),
    _list("list-empty", "The list is empty."),
    _list("list-no-has-more", "The list lacks `has_more` and `total`."),
    _list("list-ignores-limit", "The list takes no notice of `limit`: always 100 rows."),
    _list("list-ignores-offset", "The list takes no notice of `offset`: always the newest."),
    _list("list-mixed-models", "The list shows every model, whatever `model_id` says."),
    _list("list-no-outcomes", "The list's rows have no outcome."),
    _list("list-no-payloads", "The list's rows echo `{}`."),
    _list("list-padded", "Each row of the list carries `bytes` more than it needs.", bytes=1_000_000),
    _media("media-slow", "The body comes at `bytes_per_second`.", bytes_per_second=100_000),
    _media("media-cut-off", "The body ends after `share` of its (right) Content-Length.", share=0.5),
    _media(
        "media-short",
        "A wrong Content-Length: the answer looks whole and is `share` of the file.",
        share=0.5,
    ),
    _media("media-corrupt", "The bytes are not those of the file."),
    Kind(
        "media-gone",
        Stage.STORAGE,
        _FILES,
        "404, once the clip is `after` seconds old.",
        {"after": 0.0},
        default_call=calls.MEDIA,
        lasting=True,
    ),
    Kind(
        "media-moved",
        Stage.STORAGE,
        _FILES,
        "A redirect, `status` 302 or another, to where the file is now.",
        {"status": 302},
        default_call=calls.MEDIA,
    ),
    Kind(
        "media-no-range",
        Stage.STORAGE,
        _FILES,
        "Range is not understood: 200 and the whole file.",
        default_call=calls.MEDIA,
        lasting=True,
    ),
    Kind(
        "upload-url-expired",
        Stage.STORAGE,
        (calls.PUT_UPLOAD,),
        "The PUT comes too late: 400, XML.",
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
