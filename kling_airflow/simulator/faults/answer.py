"""Faults in the body of an answer that is no refusal."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

import json

from kling_airflow.simulator.faults.call import AnswerStream, Call, RewrittenBody, Send
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import ALL, SUBMIT


@register("invalid-json", Stage.BODY, ALL, usual_call=SUBMIT)
def invalid_json(send: Send, call: Call) -> AnswerStream:
    """The answer is 2xx and no JSON."""
    return RewrittenBody(send, call, lambda body: body.rstrip(b"}]") + b',"\x00')


@register("without-request-id", Stage.BODY, (SUBMIT,))
def without_request_id(send: Send, call: Call) -> AnswerStream:
    """The answer is 200 and names no request id."""

    def rewrite(body: bytes) -> bytes:
        content = json.loads(body)
        content.pop("request_id", None)
        return json.dumps(content).encode()

    return RewrittenBody(send, call, rewrite)
