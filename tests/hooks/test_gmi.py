from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.exceptions import InvalidArgument, Unauthorized
from kling_airflow.hooks.gmi import GMICloudHook
from tests.airflow_context import connect
from tests.gmi.scripted import answer, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = json.dumps({"request_id": "a", "status": "queued"})


@pytest.fixture
def queue() -> Iterator[Any]:
    with scripted(answer(200, RECORD)) as server:
        yield server


def test_the_client_is_made_of_the_connection(queue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, queue.url, "the-key", organization_id="org-7")
    assert GMICloudHook().get_conn().get("a").request_id == "a"
    assert b"Authorization: Bearer the-key" in queue.requests[0]
    assert b"X-Organization-ID: org-7" in queue.requests[0]


def test_the_async_client_is_made_of_the_same(queue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, queue.url, "the-key", organization_id="org-7")

    async def ask() -> str:
        async with await GMICloudHook().get_async_conn() as client:
            return (await client.get("a")).request_id

    assert asyncio.run(ask()) == "a"
    assert b"Authorization: Bearer the-key" in queue.requests[0]
    assert b"X-Organization-ID: org-7" in queue.requests[0]


def test_the_client_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "http://queue.example")
    hook = GMICloudHook()
    assert hook.get_conn() is hook.get_conn()


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({}, "https://console.gmicloud.ai"),
        ({"host": "queue.example"}, "https://queue.example"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "http://127.0.0.1:8080/"}, "http://127.0.0.1:8080"),
    ],
)
def test_the_host_is_taken_as_people_write_it(
    fields: dict[str, Any], base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "gmi_cloud", "password": "key", **fields}
    monkeypatch.setenv("AIRFLOW_CONN_GMI_CLOUD_DEFAULT", json.dumps(connection))
    assert GMICloudHook().get_conn().protocol.base_url == base_url


def test_a_connection_that_is_not_there_is_named() -> None:
    with pytest.raises(Unauthorized, match=r"`nowhere` is not defined.*No money was spent"):
        GMICloudHook("nowhere").get_conn()
    with pytest.raises(Unauthorized, match="`nowhere` is not defined"):
        asyncio.run(GMICloudHook("nowhere").get_async_conn())


def test_a_connection_without_a_key_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "http://queue.example", "")
    with pytest.raises(Unauthorized, match=r"no API key.*API key"):
        GMICloudHook().get_conn()


def test_a_wrong_base_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "ftp://queue.example")
    with pytest.raises(InvalidArgument, match="ftp://queue.example"):
        GMICloudHook().get_conn()


def ceiling(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> float:
    connect(monkeypatch, "http://queue.example", **extra)

    async def read() -> float:
        return (await GMICloudHook().get_poller()).rate_limiter.max_rate

    return asyncio.run(read())


def test_the_rate_limit_is_the_connections_or_the_configurations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ceiling(monkeypatch) == 50
    monkeypatch.setenv("AIRFLOW__KLING__MAX_CALLS_PER_SECOND", "7.5")
    assert ceiling(monkeypatch) == 7.5
    assert ceiling(monkeypatch, max_calls_per_second="") == 7.5
    assert ceiling(monkeypatch, max_calls_per_second="2") == 2
    assert ceiling(monkeypatch, max_calls_per_second=0.5) == 0.5


@pytest.mark.parametrize("value", [0, -1, "many", "nan", "inf", [], "0"])
def test_an_unusable_rate_limit_is_named(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match=r"connection's `max_calls_per_second` is .*number above 0"):
        ceiling(monkeypatch, max_calls_per_second=value)
    monkeypatch.setenv("AIRFLOW__KLING__MAX_CALLS_PER_SECOND", "0")
    with pytest.raises(InvalidArgument, match=r"`\[kling\] max_calls_per_second` is '0'"):
        ceiling(monkeypatch)


def test_all_waiters_of_a_loop_share_a_poller(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "http://queue.example")

    async def read() -> bool:
        return await GMICloudHook().get_poller() is await GMICloudHook().get_poller()

    assert asyncio.run(read())


@pytest.mark.parametrize(
    ("step", "works", "words"),
    [
        (answer(200, '{"requests": []}'), True, "takes the key"),
        (answer(401, '{"error": "invalid key"}'), False, "invalid key"),
        (answer(405), False, "base URL"),
        (answer(200, "<html>", Content_Type="text/html"), False, "base URL"),
    ],
)
def test_the_connection_tests_itself(
    step: Any, works: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(step) as server:
        connect(monkeypatch, server.url, "the-secret-key")
        passed, message = GMICloudHook().test_connection()
    assert passed is works
    assert words in message
    assert "the-secret-key" not in message


def test_a_test_of_a_missing_connection_never_raises() -> None:
    passed, message = GMICloudHook("nowhere").test_connection()
    assert not passed
    assert "nowhere" in message


def test_the_form_is_the_metadatas() -> None:
    behaviour = GMICloudHook.get_ui_field_behaviour()
    assert behaviour["relabeling"] == {"password": "API key", "host": "Base URL"}
    assert "extra" in behaviour["hidden_fields"]
