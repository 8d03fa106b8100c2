"""The wire contract's table of HTTP errors, row by row."""

from __future__ import annotations

import pytest

from kling_airflow.errors import (
    AmbiguousSubmission,
    GMIError,
    InsufficientCredits,
    Money,
    NotAccepted,
    NotFound,
    Rejected,
    Unauthorized,
    Unreachable,
    WrongService,
)
from kling_airflow.gmi import failures
from kling_airflow.gmi.call import Upload
from kling_airflow.gmi.exchange import Phase
from kling_airflow.gmi.protocol import Protocol
from kling_airflow.gmi.response import Response

PROTOCOL = Protocol("key", "http://queue.example")
SUBMIT = PROTOCOL.submit("kling-v3-image-to-video", {"prompt": "x"})
GET = PROTOCOL.get("5fad3c36")
HTML = b"<!DOCTYPE html><html><body>Bad gateway</body></html>"


def response_of(status: int, body: bytes | str = b"", **headers: str) -> Response:
    raw = body.encode() if isinstance(body, str) else body
    named = {"content-type": "application/json"} | {
        key.replace("_", "-"): value for key, value in headers.items()
    }
    return Response(status, named, raw)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, '{"error": "invalid payload parameters: image (Required parameter is missing)"}', Rejected),
        (
            400,
            '{"error": "Generation rejected; please review the prompt and parameters then retry"}',
            Rejected,
        ),
        (401, "", Unauthorized),
        (403, '{"error": "forbidden"}', Unauthorized),
        (401, HTML, AmbiguousSubmission),
        (403, HTML, AmbiguousSubmission),
        (
            402,
            '{"error": "Insufficient credits. Please add more credits to your account."}',
            InsufficientCredits,
        ),
        (404, '{"error": "model Kling does not exist"}', NotFound),
        (404, '{"error": "you do not have access"}', NotFound),
        (404, HTML, WrongService),
        (405, "", WrongService),
        (301, "", WrongService),
        (307, "", WrongService),
        (302, "", AmbiguousSubmission),
        (303, "", AmbiguousSubmission),
        (408, "", AmbiguousSubmission),
        (409, "", AmbiguousSubmission),
        (413, "", Rejected),
        (422, '{"error": "duration"}', Rejected),
        (425, "", AmbiguousSubmission),
        (429, "", NotAccepted),
        (500, '{"error": "Backend error (400). Please try again."}', Rejected),
        (500, '{"error": "Backend error (403). Please try again."}', Rejected),
        (500, '{"error": "Backend error (500). Please try again."}', AmbiguousSubmission),
        (500, '{"error": "Backend error (429). Please try again."}', AmbiguousSubmission),
        (500, '{"error": "context deadline exceeded"}', AmbiguousSubmission),
        (
            500,
            '{"error": {"message": "context deadline exceeded", "details": "upstream"}}',
            AmbiguousSubmission,
        ),
        (502, HTML, AmbiguousSubmission),
        (503, '{"error": "Upstream capacity temporarily exhausted; please retry later"}', NotAccepted),
        (503, HTML, AmbiguousSubmission),
        (503, "", AmbiguousSubmission),
        (504, HTML, AmbiguousSubmission),
    ],
)
def test_each_refusal_of_a_submission_has_its_error(status: int, body: str, kind: type[GMIError]) -> None:
    error = failures.refusal(SUBMIT, response_of(status, body))

    assert type(error) is kind
    assert str(status) in error.what
    expected = Money.UNKNOWN if kind is AmbiguousSubmission else Money.UNSPENT
    if status == 500 and kind is Rejected:
        expected = Money.NOT_BILLED
    assert error.money is expected
    assert error.todo, "every error says what to do next"


@pytest.mark.parametrize("status", range(300, 600))
def test_only_a_429_may_be_sent_again_whatever_its_body_says(status: int) -> None:
    for body in ("", HTML, '{"error": "anything else"}'):
        error = failures.refusal(SUBMIT, response_of(status, body))
        assert isinstance(error, NotAccepted) == (status == 429)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "", Unauthorized),
        (403, "", Unauthorized),
        (401, HTML, Unreachable),
        (403, HTML, Unreachable),
        (404, '{"error": "request not found"}', NotFound),
        (404, HTML, WrongService),
        (405, "", WrongService),
        (408, "", Unreachable),
        (429, "", Unreachable),
        (500, '{"error": "context deadline exceeded"}', Unreachable),
        (502, HTML, Unreachable),
        (503, "", Unreachable),
    ],
)
def test_a_refused_read_says_that_the_request_is_alive(status: int, body: str, kind: type[GMIError]) -> None:
    error = failures.refusal(GET, response_of(status, body))

    assert type(error) is kind
    assert error.money is (Money.UNKNOWN if kind is NotFound else Money.HELD)
    assert error.request_id == "5fad3c36"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1.5, "b": "\xc3\xa9"}', {"a": 1.5, "b": "\xe9"}),
        (b'{"a": Infinity}', {"a": float("inf")}),
        (b'{"a": 1e400}', {"a": float("inf")}),
        (b'{"a": "\\ud800"}', {"a": "\ud800"}),
        (b"\xef\xbb\xbf{}", {}),
        ('{"a": "\xe9"}'.encode("utf-16"), {"a": "\xe9"}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ],
)
def test_json_that_only_a_lenient_parser_reads_is_read(body: bytes, value: object) -> None:
    assert failures.read_json(GET, response_of(200, body)) == value


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": 1} x', b'{"a": "\xff"}', b"[" * 100_000])
def test_a_body_that_is_not_json_is_an_error(body: bytes) -> None:
    with pytest.raises(Unreachable, match="not JSON") as caught:
        failures.read_json(GET, response_of(200, body))
    assert caught.value.money is Money.HELD
    with pytest.raises(AmbiguousSubmission, match="not JSON"):
        failures.read_json(SUBMIT, response_of(200, body))


def test_a_refusal_whose_body_is_not_json_is_a_refusal() -> None:
    assert type(failures.refusal(SUBMIT, response_of(400, b"[" * 100_000))) is Rejected


def test_the_error_quotes_the_queue() -> None:
    error = failures.refusal(SUBMIT, response_of(400, '{"error": "invalid payload parameters: image"}'))
    assert "invalid payload parameters: image" in str(error)


@pytest.mark.parametrize(("phase", "kind"), [(Phase.CONNECT, NotAccepted), (Phase.SEND, AmbiguousSubmission)])
def test_a_submission_that_was_never_sent_may_be_sent_again(phase: Phase, kind: type[GMIError]) -> None:
    assert type(failures.lost(SUBMIT, phase, "reset")) is kind


@pytest.mark.parametrize("phase", list(Phase))
def test_a_lost_read_may_be_repeated(phase: Phase) -> None:
    assert type(failures.lost(GET, phase, "reset")) is Unreachable


@pytest.mark.parametrize(
    "body", ["", "not json", HTML, "[]", "null", '{"request_id": ""}', '{"request_id": 7}']
)
def test_a_2xx_to_a_submission_without_a_readable_id_is_ambiguous(body: str) -> None:
    with pytest.raises(AmbiguousSubmission):
        PROTOCOL.read_submit(SUBMIT, response_of(200, body))


@pytest.mark.parametrize("status", [200, 201, 202])
def test_each_good_status_accepts_a_submission(status: int) -> None:
    request = PROTOCOL.read_submit(SUBMIT, response_of(status, '{"request_id": "a", "status": "queued"}'))
    assert request.request_id == "a"


def test_html_in_place_of_json_names_the_base_url() -> None:
    with pytest.raises(WrongService, match="base URL"):
        PROTOCOL.read_get(GET, response_of(200, HTML, content_type="text/html"))


def test_the_error_has_retry_after() -> None:
    for call in (SUBMIT, GET):
        error = failures.refusal(call, response_of(429, "", retry_after="9"))
        assert isinstance(error, NotAccepted | Unreachable)
        assert error.retry_after == 9


def test_a_refused_upload_does_not_quote_the_signed_address() -> None:
    upload = PROTOCOL.put(_upload(), "jpg", b"")
    xml = b"<Error><StringToSign>SIGNATURE</StringToSign></Error>"
    error = failures.refusal(upload, response_of(403, xml, content_type="application/xml"))
    assert type(error) is Unreachable
    assert error.money is Money.UNSPENT
    assert "SIGNATURE" not in str(error)
    assert "signed" in str(error)


@pytest.mark.parametrize(("status", "body"), [(404, HTML), (405, ""), (301, ""), (200, HTML)])
def test_a_wrong_address_is_named_with_the_base_url(status: int, body: bytes | str) -> None:
    response = response_of(status, body)
    with pytest.raises(WrongService) as caught:
        PROTOCOL.read_get(GET, response)
    assert "the base URL of the connection is http://queue.example" in caught.value.what
    assert "GET http://queue.example/api/v1/ie/requestqueue/apikey/requests/5fad3c36" in caught.value.what


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503])
def test_no_error_quotes_a_signature(status: int) -> None:
    message = "no media at https://b.aws/x.jpg?X-Amz-Signature=T0PS3CRET&X-Amz-Credential=T0PS3CRET"
    for body in (
        f'{{"error": "{message}"}}',
        f'{{"error": {{"message": "m", "details": "{message}"}}}}',
        message,
    ):
        for call in (SUBMIT, GET):
            assert "T0PS3CRET" not in str(failures.refusal(call, response_of(status, body)))


def test_a_long_message_is_shortened() -> None:
    error = failures.refusal(SUBMIT, response_of(400, f'{{"error": "{"x" * 5000}"}}'))
    assert len(str(error)) < 600


def _upload() -> Upload:
    return Upload("http://store.example/frame?signature=SIGNATURE", "http://store.example/frame")
