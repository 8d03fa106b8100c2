"""What a refused, lost or unreadable call means.

This module has the wire contract's table of HTTP errors. It divides the failures of a submission into three
groups: the submission may be sent again, it must not be sent again, or its outcome is not known.
"""

from __future__ import annotations

import re
from typing import Any

from kling_airflow.errors import (
    AmbiguousSubmission,
    GMIError,
    InsufficientCredits,
    Known,
    Money,
    NotAccepted,
    NotFound,
    Rejected,
    ResponseTooLarge,
    Unauthorized,
    Unreachable,
    WrongService,
)
from kling_airflow.gmi.call import Call, CallKind
from kling_airflow.gmi.exchange import Phase
from kling_airflow.gmi.response import Response
from kling_airflow.redaction import redacted

_CAPACITY = re.compile(r"capacity", re.IGNORECASE)
_UPSTREAM_REFUSED = re.compile(r"backend error \((400|403)\)", re.IGNORECASE)
_PERMANENT_STATUSES = frozenset({400, 406, 410, 411, 413, 414, 415, 422, 431})
"""4xx whose definition says that nothing was done. Users recorded 400; the others are defined by HTTP."""


def read_json(call: Call, response: Response) -> Any:
    """Return the JSON of a good response (200, 201, 202).

    :raises GMIError: the error that stands for a refusal or an unreadable response.
    """
    if response.status not in {200, 201, 202}:
        raise refusal(call, response)
    try:
        return response.json()
    except (ValueError, RecursionError):
        reason = "is an HTML page" if response.is_html else "is not JSON"
        raise unreadable(call, response, reason) from None


def refusal(call: Call, response: Response) -> GMIError:
    """Return what a response that is not a 2xx means for this call."""
    if call.kind is CallKind.UPLOAD and not call.sends_key:
        return _upload_refused(call, response)
    if (error := _permanent(call, response)) is not None:
        return error
    return _submit_failed(response) if call.kind is CallKind.SUBMIT else _unreachable(call, response)


def lost(call: Call, phase: Phase, reason: str) -> GMIError:
    """Return what a broken exchange means for this call.

    :param phase: how far the exchange had come. Before `SEND`, it is certain that nothing was sent.
    :param reason: what the transport said, without URLs that hold secrets.
    """
    how = f"{reason} while {phase.value} ({_address(call)})"
    if call.kind is not CallKind.SUBMIT:
        return Unreachable(
            f"No response about {call.subject}: {how}.", **_money_and_id(call), **_no_tls(reason)
        )
    if not phase.may_have_been_sent:
        return NotAccepted(f"The submission did not reach the queue: {how}.", **_no_tls(reason))
    return AmbiguousSubmission(f"The response to the submission was lost: {how}.")


def _no_tls(reason: str) -> Known:
    """Return what to do if the server at the address speaks no TLS, in OpenSSL's words."""
    if "WRONG_VERSION_NUMBER" not in reason:
        return {}
    return {
        "todo": "The server at this address doesn't speak TLS. Check the base URL (host) of the connection:"
        " without a scheme it is taken for https://."
    }


def not_in_time(call: Call, phase: Phase) -> GMIError:
    """Return what an exchange means that was not complete at its total deadline."""
    return lost(call, phase, f"the call was not complete after {call.timeouts.total:g} s,")


def too_large(call: Call) -> GMIError:
    """Return what a response over the size limit means: it was not read to its end."""
    reason = f"the response is larger than {call.max_bytes} bytes"
    if call.kind is CallKind.SUBMIT:
        return AmbiguousSubmission(f"The response to the submission can't be read: {reason}.")
    return ResponseTooLarge(f"No response about {call.subject}: {reason}.", **_money_and_id(call))


def unreadable(call: Call, response: Response, reason: str) -> GMIError:
    """Return what a 2xx that can't be read means for this call.

    :param reason: what is wrong with the response, as the end of a sentence.
    """
    if call.kind is CallKind.SUBMIT:
        return AmbiguousSubmission(f"The queue returned {response.status}, but the response {reason}.")
    what = f"The response about {call.subject} ({response.status}) {reason}"
    if response.is_html:
        return _wrong_service(call, what)
    return Unreachable(f"{what}.", **_money_and_id(call))


def without_request_id(response: Response) -> AmbiguousSubmission:
    """Return what a 2xx without a readable request id means: the queue may have accepted the submission."""
    return AmbiguousSubmission(f"The queue returned {response.status} without a readable request id.")


def _permanent(call: Call, response: Response) -> GMIError | None:
    """Read the statuses that mean the same for every call, now and later."""
    quoted, details = _quoted(response), _money_and_id(call)
    match response.status:
        case 401 | 403 if response.is_html:
            return None  # a gateway's page: the queue itself has not refused the key
        case 401 | 403:
            return Unauthorized(f"The queue refused the API key{quoted}.", **details)
        case 402:
            return InsufficientCredits(f"The account has no credit left{quoted}.", **details)
        case 405:
            return _wrong_service(call, f"The address does not take this call{quoted}")
        case 404 if response.is_html:
            return _wrong_service(call, f"There is no request queue at the address{quoted}")
        case 404:
            if call.request_id is not None:
                details["money"] = Money.UNKNOWN
            what = f"The queue does not know {call.subject}{quoted}."
            return NotFound(what, todo=_how_to_find(call), **details)
        case 301 | 307 | 308:
            return _wrong_service(call, f"The address only redirects{quoted}; the key is not sent elsewhere")
        case status if status in _PERMANENT_STATUSES:
            return Rejected(f"The queue refused the call about {call.subject}{quoted}.", **details)
    return None


def _address(call: Call) -> str:
    """Return the method and the address of a call, without the query, which can be signed."""
    return f"{call.method} {redacted(call.url)}"


def _wrong_service(call: Call, what: str) -> WrongService:
    of = f"; the base URL of the connection is {call.base_url}" if call.base_url else ""
    return WrongService(f"{what}. The address is {_address(call)}{of}.", **_money_and_id(call))


def _money_and_id(call: Call) -> dict[str, Any]:
    """Return an error's arguments: a read changes nothing, but the clip of its request is being made."""
    if call.request_id is None:
        return {"money": Money.UNSPENT}
    return {"money": Money.HELD, "request_id": call.request_id}


def _how_to_find(call: Call) -> str:
    of = f" If that is right, check the connection's base URL, {call.base_url}." if call.base_url else ""
    if call.request_id is None:
        return f"Check the model's name (case matters) and whether the key may use it.{of}"
    return (
        "Check the request id, and that the connection's key belongs to the organization that submitted it;"
        f" a request made in the web console can't be read with an API key.{of}"
    )


def _submit_failed(response: Response) -> GMIError:
    """Tell a submission that was certainly not accepted from one that may have been."""
    quoted = _quoted(response)
    if response.status == 429:
        what = f"The queue's rate limit is reached{quoted}."
        return NotAccepted(what, retry_after=response.retry_after)
    if response.status == 503 and _CAPACITY.search(response.message):
        return NotAccepted(f"The queue has no capacity now{quoted}.", retry_after=response.retry_after)
    if response.status == 500 and _UPSTREAM_REFUSED.search(response.message):
        return Rejected(
            f"The upstream vendor refused the submission{quoted}.",
            money=Money.NOT_BILLED,
            todo="Change the prompt or the frames; a `failed` record in the queue's list belongs to it.",
        )
    return AmbiguousSubmission(f"The response does not say whether the queue took the submission{quoted}.")


def _unreachable(call: Call, response: Response) -> Unreachable:
    what = f"No readable response about {call.subject}{_quoted(response)}."
    return Unreachable(what, retry_after=response.retry_after, **_money_and_id(call))


def _upload_refused(call: Call, response: Response) -> GMIError:
    """Read the object store's response. It is XML that quotes the signed URL, so its text is left out."""
    if response.status in {400, 403}:
        return Unreachable(
            f"The {call.subject} was refused (HTTP {response.status}): its address has expired or the content"
            " type isn't the one it was signed for.",
            money=Money.UNSPENT,
        )
    return Unreachable(
        f"The {call.subject} failed (HTTP {response.status}).",
        money=Money.UNSPENT,
        retry_after=response.retry_after,
    )


def _quoted(response: Response) -> str:
    message = response.message.rstrip(".") or ("an HTML page" if response.is_html else "")
    return f" (HTTP {response.status}: {message})" if message else f" (HTTP {response.status})"
