"""Whatever an argument of the trigger is, the wait ends with an event of its own, and harms no other wait."""

from __future__ import annotations

import asyncio
import builtins
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_airflow.triggers import poller_connection
from kling_airflow.triggers.request import GMICloudRequestTrigger
from tests.airflow_context import connect
from tests.gmi.scripted import answer, scripted

DONE = json.dumps(
    {"request_id": "a", "status": "success", "outcome": {"media_urls": [{"url": "https://m/a.mp4"}]}}
)
NAMES = [
    "gmi_conn_id", "request_id", "model", "poll_interval", "started_at", "deadline", "unreachable_after",
    "cancel_on_kill",
]  # fmt: skip
ODD: list[Any] = [
    None, "", " ", "soon", b"x", [], {}, {"a": 1}, object(), float("nan"), float("inf"), -1, 10**400,
    10**5000, 1e300, timedelta(seconds=5), timedelta(days=-1), "9" * 5000,
]  # fmt: skip
# Hypothesis can't print a number of 5000 digits.
SHOWABLE = [value for value in ODD if value != 10**5000]


def trigger(**fields: Any) -> GMICloudRequestTrigger:
    now = time.time()
    kwargs: dict[str, Any] = {"gmi_conn_id": "gmi_cloud_default", "request_id": "a", "poll_interval": 0.05}
    return GMICloudRequestTrigger(**(kwargs | {"started_at": now, "deadline": now + 4} | fields))


async def event_of(made: GMICloudRequestTrigger) -> dict[str, Any]:
    async with asyncio.timeout(20):
        (event,) = [event.payload async for event in made.run()]
        return event


@pytest.mark.parametrize("name", [*NAMES, "trace"])
@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
async def test_an_odd_value_ends_only_its_own_wait(
    name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(answer(200, DONE)) as server:
        connect(monkeypatch, server.url)
        odd, good = await asyncio.gather(event_of(trigger(**{name: value})), event_of(trigger()))
    assert good["state"] == "done"
    assert odd["state"] in {"done", "invalid", "timeout"} or name in {"gmi_conn_id", "request_id"}
    if odd["state"] == "invalid":
        assert f"`{name}`" in odd["what"]
        assert odd["money"] == "HELD"
    json.dumps(odd)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unreachable_after", timedelta(minutes=5)),
        ("unreachable_after", "300"),
        ("poll_interval", timedelta(milliseconds=50)),
        ("poll_interval", 0),
        ("model", None),
        ("cancel_on_kill", "False"),
        ("cancel_on_kill", None),
    ],
)
async def test_what_users_pass_is_understood(name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answer(200, DONE)) as server:
        connect(monkeypatch, server.url)
        assert (await event_of(trigger(**{name: value})))["state"] == "done"


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.sampled_from(SHOWABLE) | st.text(max_size=5) | st.floats(),
        max_size=8,
    )
)
@settings(max_examples=200)
def test_no_value_stops_the_constructor_or_the_serialization(fields: dict[str, Any]) -> None:
    made = trigger(**fields)
    assert made.serialize()[1].items() >= fields.items() or any(value != value for value in fields.values())


async def test_a_text_is_no_permission_to_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[str] = []

    async def cancel(*given: Any) -> None:
        cancelled.append("cancelled")

    monkeypatch.setattr("kling_airflow.task_instance.state.cancel_if_ended", cancel)
    for value in ("False", "no", "", None, object(), 0, [1]):
        await trigger(cancel_on_kill=value).on_kill()
    assert cancelled == []
    await trigger(cancel_on_kill=True).on_kill()
    assert cancelled == ["cancelled"]


@pytest.mark.parametrize("package", ["aiohttp", "certifi", "kling_airflow.airflow_compat"])
async def test_a_missing_package_ends_the_wait_at_once_and_is_named(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, tries = builtins.__import__, []

    def without(name: str, *given: Any, **named: Any) -> Any:
        if name == package:
            tries.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return whole(name, *given, **named)

    monkeypatch.setattr(poller_connection, "_imported", False)
    with scripted(answer(200, DONE)) as server:
        connect(monkeypatch, server.url)
        monkeypatch.setattr(builtins, "__import__", without)
        if package == "aiohttp":
            import sys

            monkeypatch.delitem(sys.modules, "kling_airflow.gmi.async_client", raising=False)
            monkeypatch.delitem(sys.modules, "kling_airflow.gmi.async_transport", raising=False)
        began = time.monotonic()
        event = await event_of(trigger(gmi_conn_id="gmi_cloud_default"))
    assert time.monotonic() - began < 5
    assert event["state"] == "unreachable"
    assert f"can't import `{package.partition('.')[0]}`" in event["what"]
    assert event["request_id"] == "a"
    assert len(tries) == 1
