"""The trigger over real HTTP: which event it fires, and when."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.airflow_compat import AirflowNotFoundException
from kling_airflow.errors import PollerCrashed
from kling_airflow.triggers.request import GMICloudRequestTrigger
from tests.airflow_context import connect
from tests.gmi.scripted import Step, answer, reset, scripted

if TYPE_CHECKING:
    from airflow.triggers.base import TriggerEvent

DONE = json.dumps(
    {
        "request_id": "a",
        "status": "success",
        "model": "kling-v3-image-to-video",
        "payload": {"duration": "5", "sound": "off", "image": "QUJD" * 10_000},
        "outcome": {"media_urls": [{"id": "0", "url": "https://m/a.mp4"}]},
    }
)
QUEUED = json.dumps({"request_id": "a", "status": "queued"})


def trigger(seconds: float = 60, **fields: Any) -> GMICloudRequestTrigger:
    now = time.time()
    kwargs = {"gmi_conn_id": "gmi_cloud_default", "request_id": "a", "poll_interval": 0.01}
    return GMICloudRequestTrigger(**(kwargs | {"started_at": now, "deadline": now + seconds} | fields))


@pytest.fixture(autouse=True)
def _refusals_end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_airflow.polling.decision.REFUSED_SECONDS", 0.3)


def run(made: GMICloudRequestTrigger) -> list[dict[str, Any]]:
    async def collect() -> list[TriggerEvent]:
        return [event async for event in made.run()]

    return [event.payload for event in asyncio.run(asyncio.wait_for(collect(), 30))]


def fail_reads(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> list[str]:
    """Let the first reads of a connection fail; return the ids that were read."""
    from kling_airflow import airflow_compat as connection

    whole, reads = connection.get_async_connection, []

    async def lookup(conn_id: str) -> Any:
        reads.append(conn_id)
        if len(reads) <= times:
            raise error
        return await whole(conn_id)

    monkeypatch.setattr(connection, "get_async_connection", lookup)
    return reads


def log_lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what triggers log."""
    lines: list[str] = []

    class Log:
        def info(self, text: str, *values: Any) -> None:
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()  # a thread writes it: see polling/log_lines.py
            lines.append(text % values)

        warning = info

        def exception(self, text: str, *values: Any) -> None:
            lines.append(text % values)

    monkeypatch.setattr(GMICloudRequestTrigger, "logger", lambda _: Log())
    return lines


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Any:
    def of(*steps: Step, **fields: Any) -> list[dict[str, Any]]:
        with scripted(*steps) as server:
            connect(monkeypatch, server.url)
            return run(trigger(**fields))

    return of


def test_it_fires_one_event_with_the_clip(events: Any) -> None:
    (event,) = events(answer(200, QUEUED), answer(200, QUEUED), answer(200, DONE))
    assert event["state"] == "done"
    assert event["clip"]["video_url"] == "https://m/a.mp4"
    assert len(json.dumps(event)) < 1000, "the echo of the payload is not in the event"


def test_temporary_errors_do_not_end_the_wait(events: Any) -> None:
    (event,) = events(answer(502, "<html>"), reset, answer(429), answer(404, "{}"), answer(200, DONE))
    assert event["state"] == "done"


@pytest.mark.parametrize(
    ("step", "fields", "state"),
    [
        (answer(401), {}, "unauthorized"),
        (answer(200, QUEUED), {"seconds": 0.1}, "timeout"),
        (answer(502), {"unreachable_after": 0.1}, "unreachable"),
        (answer(200, '{"request_id": "a", "status": "failed"}'), {}, "failed"),
        (answer(200, '{"request_id": "a", "status": "cancelled"}'), {}, "cancelled"),
        (answer(404, "{}"), {"started_at": 0.0}, "not_found"),
    ],
)
def test_each_end_has_its_state(events: Any, step: Step, fields: dict[str, Any], state: str) -> None:
    (event,) = events(step, **fields)
    assert event["state"] == state
    assert event["what"]


def test_a_connection_that_stays_missing_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_airflow.triggers.poller_connection.MISSING_SECONDS", 0.0)
    (event,) = run(trigger(gmi_conn_id="nowhere"))
    assert event["state"] == "unauthorized"
    assert "nowhere" in event["what"]
    assert event["money"] == "HELD", "the request is alive, even without a connection"
    assert event["request_id"] == "a"


def test_a_connection_that_is_missing_for_a_while_does_not_end_the_wait() -> None:
    (event,) = run(trigger(gmi_conn_id="nowhere", seconds=0.3))
    assert event["state"] == "timeout"


def test_retry_after_slows_the_next_look(events: Any) -> None:
    began = time.monotonic()
    events(answer(429, Retry_After="1"), answer(200, DONE))
    assert time.monotonic() - began >= 1


def test_a_connection_that_is_missing_for_a_moment_is_read_again(
    events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secrets backend that fails makes Airflow say "not defined", too."""
    fail_reads(monkeypatch, AirflowNotFoundException("The conn_id `gmi_cloud_default` isn't defined"), 2)
    (event,) = events(answer(200, DONE))
    assert event["state"] == "done"


def test_a_failed_read_of_the_connection_is_repeated_and_its_text_is_not_logged(
    events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = log_lines(monkeypatch)
    fail_reads(monkeypatch, RuntimeError("vault said: token s3cr3t"), 5)
    (event,) = events(answer(200, DONE))
    assert event["state"] == "done"
    assert any("RuntimeError" in line for line in lines)
    assert not any("s3cr3t" in line for line in lines)


def test_a_connection_that_is_never_readable_ends_as_unreachable(
    events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_reads(monkeypatch, RuntimeError("down"), 10_000)
    (event,) = events(answer(200, DONE), unreachable_after=0.2)
    assert event["state"] == "unreachable"
    assert "gmi_cloud_default" in event["what"]


def test_a_secrets_backend_that_does_not_respond_does_not_outlast_the_deadline(
    events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kling_airflow import airflow_compat as connection

    async def hang(conn_id: str) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(connection, "get_async_connection", hang)
    monkeypatch.setattr("kling_airflow.triggers.poller_connection.READ_SECONDS", 0.1)
    began = time.monotonic()
    (event,) = events(answer(200, DONE), seconds=0.5)
    assert event["state"] == "timeout"
    assert time.monotonic() - began < 10


def test_triggers_that_start_together_read_the_connection_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = fail_reads(monkeypatch, RuntimeError("never raised"), 0)

    async def together() -> None:
        first = [event async for event in trigger().run()]
        rest = await asyncio.gather(*(anext(trigger().run()) for _ in range(20)))
        assert len(first + rest) == 21

    with scripted(answer(200, DONE)) as server:
        connect(monkeypatch, server.url)
        asyncio.run(together())
    assert len(reads) == 1


def test_after_a_crash_of_the_poller_the_trigger_starts_another(
    events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kling_airflow.polling.round import Round

    whole, crashes = Round.run, []

    async def run_badly(self: Round, due: Any) -> Any:
        if len(crashes) < 2:
            crashes.append(1)
            raise RuntimeError("a defect")
        return await whole(self, due)

    monkeypatch.setattr(Round, "run", run_badly)
    (event,) = events(answer(200, DONE))
    assert event["state"] == "done"
    assert len(crashes) == 2


def test_a_poller_that_always_crashes_fails_the_trigger(events: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kling_airflow.polling.round import Round

    async def run_badly(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Round, "run", run_badly)
    with pytest.raises(PollerCrashed, match="The request is alive"):
        events(answer(200, DONE))


def test_it_logs_its_progress(events: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_airflow.triggers.request.LOG_EVERY", 0.3)
    lines = log_lines(monkeypatch)
    events(answer(200, QUEUED), seconds=1.0)
    assert re.fullmatch(r"Waiting for request a until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", lines[0])
    assert any("a: queued; next look in" in line for line in lines[1:-1])
    assert lines[-1].startswith("The wait for request a is over")
    assert 3 <= len(lines) <= 6


def test_a_cancelled_trigger_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancel() -> None:
        task = asyncio.ensure_future(anext(trigger().run()))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with scripted(answer(200, QUEUED)) as server:
        connect(monkeypatch, server.url)
        asyncio.run(cancel())


def test_its_arguments_are_the_same_after_serialization() -> None:
    from tests.airflow_versions import deserialize, serialize

    made = trigger(model="another-model", unreachable_after=7.0)
    path, kwargs = made.serialize()
    assert path == f"{GMICloudRequestTrigger.__module__}.{GMICloudRequestTrigger.__name__}"
    again = GMICloudRequestTrigger(**deserialize(serialize(json.loads(json.dumps(kwargs)))))
    assert again.serialize() == made.serialize()


def test_arguments_of_another_version_are_tolerated_and_kept() -> None:
    _, kwargs = trigger(from_the_future=1).serialize()
    assert kwargs["from_the_future"] == 1
    old = {name: kwargs[name] for name in ("gmi_conn_id", "request_id", "deadline", "started_at")}
    assert GMICloudRequestTrigger(**old).poll_interval == 10


def test_neither_an_upgrade_nor_a_downgrade_fails_a_waiting_task() -> None:
    """Each version reads the arguments that the other version wrote into the database."""
    first = {
        "gmi_conn_id": "c", "request_id": "a", "model": "m", "poll_interval": 5.0, "started_at": 1.0,
        "deadline": 2.0, "unreachable_after": 3.0,
    }  # fmt: skip
    _, upgraded = GMICloudRequestTrigger(**first).serialize()
    assert upgraded.items() >= first.items()
    _, undone = GMICloudRequestTrigger(**upgraded, from_the_next=[1]).serialize()
    assert undone == upgraded | {"from_the_next": [1]}


def test_its_arguments_have_neither_key_nor_address(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "http://queue.example", "the-secret-key")
    made = trigger()
    assert "secret" not in repr(made)
    assert set(made.serialize()[1]) == {
        "gmi_conn_id", "request_id", "model", "poll_interval", "started_at", "deadline", "unreachable_after",
        "cancel_on_kill",
    }  # fmt: skip


def test_importing_its_module_loads_no_heavy_library() -> None:
    code = (
        "import sys, airflow.triggers.base; import kling_airflow.triggers.request;"
        "print([m for m in ('aiohttp', 'requests', 'PIL', 'av', 'tenacity.asyncio') if m in sys.modules])"
    )
    before = subprocess.run(
        [sys.executable, "-c", code.replace("import kling_airflow.triggers.request;", "")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert after.stdout == before.stdout
