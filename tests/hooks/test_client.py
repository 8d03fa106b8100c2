"""The client of a connection: Airflow's errors, and keys as people paste them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow import exceptions
from kling_airflow.gmi.client import GMIClient
from kling_airflow.hooks.client import pasted_key
from kling_airflow.hooks.gmi import GMICloudHook
from tests.airflow_context import connect
from tests.airflow_versions import AirflowException, AirflowFailException
from tests.gmi.scripted import Step, answer, scripted

CALLS: tuple[Callable[[GMIClient], object], ...] = (
    lambda client: client.submit("m", {"prompt": "rise"}),
    lambda client: client.get("a"),
    lambda client: client.list_page("m"),
    lambda client: list(client.list_requests("m")),
    lambda client: client.check(),
    lambda client: client.models(),
    lambda client: client.model("m"),
    lambda client: client.upload(b"png", "png"),
)


def failing(monkeypatch: pytest.MonkeyPatch, call: Callable[[GMIClient], object], step: Step) -> Exception:
    with scripted(*[step] * 12) as server:
        connect(monkeypatch, server.url)
        with pytest.raises(AirflowException) as raised:
            call(GMICloudHook().get_conn())
    return raised.value


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_every_call_raises_errors_of_airflow(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[GMIClient], object]
) -> None:
    assert isinstance(failing(monkeypatch, call, answer(400, '{"error": "no"}')), AirflowFailException)
    refused = failing(monkeypatch, call, answer(401, '{"error": "bad key"}'))
    assert isinstance(refused, exceptions.Unauthorized)
    assert "the connection `gmi_cloud_default`." in str(refused)


@pytest.mark.parametrize(
    "pasted",
    ["key-1", " key-1\n", '"key-1"', "'key-1'", "Bearer key-1", "bearer  key-1 ", '"Bearer key-1"',
     "Authorization: Bearer key-1", "`key-1`", "Bearer 'key-1'", "“key-1”"],
)  # fmt: skip
def test_a_key_is_read_as_it_was_pasted(pasted: str) -> None:
    assert pasted_key(pasted) == "key-1"


@given(st.text())
def test_reading_a_key_ends(text: str) -> None:
    assert pasted_key(pasted_key(text)) == pasted_key(text)
    assert pasted_key(f"Bearer {text}") == pasted_key(text)
