"""Faults of authentication: calls with a good key are refused."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

from typing import Literal

from kling_airflow.simulator.faults.call import Answer, Call
from kling_airflow.simulator.faults.errors import gateway_page
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import WITH_KEY
from kling_airflow.simulator.queue.refusal import Refusal


@register("key-refused", Stage.INSTEAD, WITH_KEY, lasting=True)
def key_refused(call: Call, *, status: Literal[401, 403] = 401, message: str = "Invalid API key") -> Answer:
    """Every call is refused with 401 (or `status` 403) and `message`, although its key is good."""
    return Refusal(status, message)


@register("gateway-forbids", Stage.INSTEAD, WITH_KEY, lasting=True)
def gateway_forbids(call: Call) -> Answer:
    """A gateway answers every call with 403 and a page of HTML."""
    return gateway_page(403)
