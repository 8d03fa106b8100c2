"""Triggerers that share a rate limit through the ledger's folder: on S3 over HTTP, and in real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.hooks.ledger import open_ledger_path
from kling_airflow.hooks.limit_share import MAX_TRIGGERERS, TriggererRecords, announcer, configured_triggerers
from kling_airflow.polling.share import alive
from kling_airflow.simulator import Account, Simulator
from tests.airflow_context import connect
from tests.polling.waiting import submit
from tests.s3 import S3
from tests.s3 import s3 as s3

if TYPE_CHECKING:
    from kling_airflow.polling.poller import Poller

IDENTITY = ("https://queue.example", None, "digest")
LEDGER = "AIRFLOW__KLING__LEDGER"
LIMIT = 30.0
BEAT = 2.0
PATIENCE = 120.0


@pytest.fixture
def uri(s3: S3) -> str:
    return f"s3://{S3.conn_id}@{s3.bucket()}/kling/ledger"


def test_two_triggerers_count_each_other_on_s3(uri: str) -> None:
    root = open_ledger_path(uri)
    one, two = (TriggererRecords(root, IDENTITY, name) for name in ("one", "two"))
    assert alive(one.announce(), "one", 90) == 1
    assert alive(two.announce(), "two", 90) == 2
    assert alive(one.announce(), "one", 90) == 2


def test_another_key_or_organization_is_counted_apart(uri: str) -> None:
    root = open_ledger_path(uri)
    for number, identity in enumerate([IDENTITY, ("https://queue.example", "org", "digest")]):
        records = TriggererRecords(root, identity, str(number))
        assert list(records.announce()) == [str(number)]


def test_a_beat_is_two_calls_and_one_record_however_often(uri: str, s3: S3) -> None:
    root = open_ledger_path(uri)
    records = TriggererRecords(root, IDENTITY, "one")
    records.announce()
    made: list[str] = []

    def counted(event_name: str, **_: Any) -> None:
        made.append(event_name.rpartition(".")[2])

    # What leaves for the server: s3fs lists by other functions from release to release.
    root.fs._s3.meta.events.register("before-send.s3", counted)
    for _ in range(5):
        records.announce()
    assert made == ["PutObject", "ListObjectsV2"] * 5
    bucket = records.folder.partition("/")[0].rpartition("@")[2]
    (key,) = s3.keys(bucket)
    assert key.startswith("kling/ledger/_triggerers/")
    assert b"digest" not in s3.get(bucket, key)


def test_in_a_local_folder(tmp_path: Path) -> None:
    root = open_ledger_path(f"file://{tmp_path}")
    one, two = (TriggererRecords(root, IDENTITY, name) for name in ("one", "two"))
    one.announce()
    assert alive(two.announce(), "two", 90) == 2
    record = next(tmp_path.glob("_triggerers/*/one"))
    old = record.stat().st_mtime - 91
    os.utime(record, (old, old))
    assert alive(two.announce(), "two", 90) == 1


def test_a_missing_mount_is_not_made(tmp_path: Path) -> None:
    """The ledger would take a folder without records for a ledger, and buy every clip again."""
    root = open_ledger_path(f"file://{tmp_path}/mount")
    with pytest.raises(FileNotFoundError):
        TriggererRecords(root, IDENTITY, "one").announce()
    assert not (tmp_path / "mount").exists()


def test_a_store_without_times_is_no_base_for_a_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = open_ledger_path(f"file://{tmp_path}")
    records = TriggererRecords(root, IDENTITY, "one")
    listing = root.fs.ls

    def without_times(*args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return [{"name": entry["name"], "type": entry["type"]} for entry in listing(*args, **kwargs)]

    monkeypatch.setattr(root.fs, "ls", without_times)
    with pytest.raises(OSError, match="when a file was last written"):
        records.announce()


@pytest.mark.parametrize(
    ("field", "value"),
    [("last_modified", "2026-11-28T05:00:00+00:00"), ("updated", "2026-11-28T05:00:00.000Z")],
)
def test_the_times_of_azure_and_google_are_read(
    field: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = open_ledger_path(f"file://{tmp_path}")
    records = TriggererRecords(root, IDENTITY, "one")
    monkeypatch.setattr(root.fs, "ls", lambda *_, **__: [{"name": "x/one", "type": "file", field: value}])
    assert records.announce() == {"one": 1795842000.0}


async def test_without_a_ledger_folder_nothing_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LEDGER, raising=False)
    assert announcer(IDENTITY) is None


async def test_the_hooks_poller_divides_by_the_configured_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LEDGER, raising=False)
    monkeypatch.setenv("AIRFLOW__KLING__TRIGGERERS", "4")
    connect(monkeypatch, "http://queue.example", max_calls_per_second=8)
    poller: Poller = await GMICloudHook().get_poller()
    assert poller.rate_limiter.max_rate == 2.0
    await poller._client.close()


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "two", "", "1001", "inf"])
def test_a_number_of_triggerers_that_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__TRIGGERERS", value)
    with pytest.raises(InvalidArgument, match=rf"triggerers` is '{value}'.*1 to {MAX_TRIGGERERS}"):
        configured_triggerers()


async def test_one_event_loop_is_one_triggerer_however_many_pollers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LEDGER, f"file://{tmp_path}")
    first, second = announcer(IDENTITY), announcer(IDENTITY)
    assert first is not None
    assert second is not None
    (one, _), (two, times) = await first(), await second()
    assert one == two
    assert list(times) == [one]


class Waiting:
    """A process that waits like a triggerer, and what it said of its share."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.shares: list[float] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):  # Airflow prints lines of its own
                self.shares.append(json.loads(line)["share"])

    def has(self, share: float) -> bool:
        return bool(self.shares) and abs(self.shares[-1] - share) < 1e-9

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()


@contextlib.contextmanager
def waiting(ids: list[str], *, skew: float = 0.0) -> Iterator[Waiting]:
    command = [sys.executable, "-m", "tests.hooks.polling_process"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(json.dumps({"ids": ids, "beat": BEAT, "skew": skew}) + "\n")
    process.stdin.flush()
    made = Waiting(process)
    try:
        yield made
    finally:
        made.end()


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    given_up_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < given_up_at
        time.sleep(0.05)


def calls_per_second(sim: Simulator, processes: int, calls: int = 200) -> float:
    """Wait for so many calls; return the calls per second, those aside that may come in a burst."""
    before, began = sum(sim.calls().values()), time.monotonic()
    until(lambda: sum(sim.calls().values()) - before >= calls)
    burst = processes * (8 + 0.2 * LIMIT)  # reads at once, and a fifth of a second's calls
    return (calls - burst) / (time.monotonic() - began)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Nothing ends by itself, and each request is read by id: the pollers would like 120 calls a second."""
    accounts = [Account(key="the-key")]
    with Simulator(render="fast", generation_seconds=1e6, submit_seconds=0.0, accounts=accounts) as simulator:
        simulator.faults.add("list-empty")
        yield simulator


def test_processes_together_stay_below_the_limit_and_take_the_share_of_one_that_died(
    sim: Simulator, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three real processes over HTTP, one with a clock ten minutes ahead."""
    monkeypatch.setenv(LEDGER, uri)
    connect(monkeypatch, sim.base_url, "the-key", max_calls_per_second=LIMIT)
    ids = submit(sim, 40)
    with waiting(ids) as one:
        until(lambda: one.has(1.0))
        with waiting(ids, skew=600.0) as two:
            until(lambda: one.has(1 / 2) and two.has(1 / 2))
            assert min(two.shares[:2]) < 1 / 10, "the new process takes little until the first has seen it"
            assert calls_per_second(sim, 2) <= LIMIT
            with waiting(ids) as three:
                until(lambda: all(each.has(1 / 3) for each in (one, two, three)))
                assert calls_per_second(sim, 3) <= LIMIT
            until(lambda: one.has(1 / 2) and two.has(1 / 2))
            assert calls_per_second(sim, 2) <= LIMIT
        until(lambda: one.has(1.0))


def test_when_the_store_goes_away_the_polls_go_on(
    sim: Simulator, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's store is a proxy address that refuses every connection."""
    refusing = {
        "conn_type": "aws",
        "login": "x",
        "password": "x",
        "extra": {"endpoint_url": "http://127.0.0.1:9"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(refusing))
    monkeypatch.setenv(LEDGER, "s3://away@bucket/ledger")
    monkeypatch.setenv("AIRFLOW__KLING__TRIGGERERS", "2")
    connect(monkeypatch, sim.base_url, "the-key", max_calls_per_second=LIMIT)
    with waiting(submit(sim, 40)) as one:
        until(lambda: one.has(1 / 2))
        assert calls_per_second(sim, 1, calls=60) <= LIMIT / 2
        assert one.has(1 / 2)


def test_the_event_loop_is_not_blocked_by_a_slow_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LEDGER, f"file://{tmp_path}")
    released = threading.Event()
    announce_now = TriggererRecords.announce

    def slow(self: TriggererRecords) -> Any:
        assert released.wait(PATIENCE)
        return announce_now(self)

    monkeypatch.setattr(TriggererRecords, "announce", slow)

    async def main() -> int:
        announce = announcer(IDENTITY)
        assert announce is not None
        counting = asyncio.ensure_future(announce())
        await asyncio.sleep(0.01)  # the loop runs on while the thread waits for the store
        assert not counting.done()
        released.set()
        _, times = await counting
        return len(times)

    assert asyncio.run(main()) == 1
