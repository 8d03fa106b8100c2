"""The ledger over S3 and no less: moto's server, over real HTTP, through Airflow's own paths."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import pytest
from moto.core.responses import TYPE_RESPONSE
from moto.s3.responses import S3Response
from packaging.version import Version
from s3fs import S3FileSystem

from kling_airflow.__main__ import main
from kling_airflow.airflow_compat import ObjectStoragePath
from kling_airflow.errors import Fenced, InvalidArgument, LedgerUnavailable, UnreadableRecord
from kling_airflow.hooks.ledger import open_ledger_path
from kling_airflow.submission import object_store as folder_module
from kling_airflow.submission.exclusive_store import open_store
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey
from tests.s3 import S3

SCOPE = TaskKey("dag", "manual__2026-11-23T05:00:00+00:00", "submit", 3)
PRINT = "f" * 64
WRITERS = 12
SENDING = SubmissionRecord(PRINT, 1, "m", State.NOT_SENT).sending(now=1, within=180, marker=None, frames={})

put_object = S3Response.put_object


@pytest.fixture(autouse=True)
def as_atomic_as_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto looks for the object and puts it in two steps of one thread of many; S3 does it in one."""
    lock = threading.Lock()

    def locked(self: S3Response) -> TYPE_RESPONSE:
        with lock:
            return put_object(self)

    monkeypatch.setattr(S3Response, "put_object", locked)


@pytest.fixture
def root(s3: S3) -> ObjectStoragePath:
    return open_ledger_path(f"s3://{S3.conn_id}@{s3.bucket()}/kling/ledger")


def ledger(root: Any, scope: TaskKey = SCOPE) -> ObjectStoreLedger:
    return ObjectStoreLedger(root, scope, deployment="prod")


def bucket_of(root: ObjectStoragePath) -> str:
    """Return a ledger's bucket; ``root.bucket`` has the connection's id in it before Airflow 3.2."""
    return str(root.path).partition("/")[0]


def keys(s3: S3, root: ObjectStoragePath) -> list[str]:
    return [key.removeprefix("kling/ledger/prod/") for key in s3.keys(bucket_of(root))]


def at_once(count: int, do: Callable[[int], bool]) -> list[int]:
    """Call from many threads at the same moment; return who got True."""
    start = threading.Barrier(count)
    winners: list[int] = []

    def run(number: int) -> None:
        start.wait()
        if do(number):
            winners.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return winners


def test_the_next_try_reads_what_this_one_wrote(s3: S3, root: ObjectStoragePath) -> None:
    first = ledger(root)
    assert first.read(PRINT, 1) is None
    first.write(SENDING)
    submitted = SENDING.submitted("r-1", now=5)
    first.write(submitted)
    assert first.claim("r-1", "me") is True
    assert ledger(root).read(PRINT, 1) == submitted
    folder = f"orders/dag/manual__2026-11-23T05_00_00_00_00/submit.3/{SCOPE.order(PRINT, 1)}"
    assert keys(s3, root) == [
        "kling/ledger/_claims/r-1/000001",
        "exclusive-create",
        f"{folder}/000001.json",
        f"{folder}/000002.json",
    ]


def write(tries: list[ObjectStoreLedger], now: int, fenced: list[int], number: int) -> bool:
    try:
        tries[number].write(SENDING.sending(now=now, within=number, marker=f"try {number}", frames={}))
    except Fenced:
        fenced.append(number)
        return False
    return True


def test_of_many_tries_exactly_one_may_send(s3: S3, root: ObjectStoragePath) -> None:
    tries = [ledger(root) for _ in range(WRITERS)]
    for it in tries:
        assert it.read(PRINT, 1) is None
    for sends in (1, 2, 3):
        fenced: list[int] = []

        winners = at_once(WRITERS, partial(write, tries, sends, fenced))
        assert len(winners) == 1
        assert len(fenced) == len(tries) - 1
        record = ledger(root).read(PRINT, 1)
        assert record is not None
        assert (record.sent_at, record.marker) == (sends, f"try {winners[0]}")
        tries = [ledger(root) for _ in range(WRITERS)]
        for it in tries:
            it.read(PRINT, 1)


def test_of_many_orders_exactly_one_gets_a_request(root: ObjectStoragePath) -> None:
    tasks = [ledger(root, TaskKey("dag", "run", "submit", number)) for number in range(WRITERS)]
    for request_id in ("r-1", "r-2", "r-3"):
        winners = at_once(
            WRITERS, lambda number, request=request_id: tasks[number].claim(request, f"order {number}")
        )
        assert len(winners) == 1
        assert [tasks[n].claim(request_id, f"order {n}") for n in range(WRITERS)] == [
            n == winners[0] for n in range(WRITERS)
        ]


def test_caches_of_the_client_do_not_hide_another_process(s3: S3, root: ObjectStoragePath) -> None:
    it = ledger(root)
    it.write(SENDING)
    assert it.read(PRINT, 1) == SENDING  # and so fsspec knows the folder
    (first,) = [key for key in s3.keys(bucket_of(root)) if key.endswith("000001.json")]
    data = (
        s3.get(bucket_of(root), first).replace(b"sending", b"not_sent").replace(it._writer.encode(), b"other")
    )
    s3.put(
        bucket_of(root),
        first.replace("000001", "000002"),
        data.replace(b'"number": 1', b'"number": 2'),
    )
    with pytest.raises(Fenced, match="000002"):
        it.write(SENDING)
    record = it.read(PRINT, 1)
    assert record is not None
    assert record.state is State.NOT_SENT


def test_a_list_is_asked_of_the_store_each_time(s3: S3, root: ObjectStoragePath) -> None:
    store = open_store(root)
    assert store.create("folder/1", b"x")
    assert store.names("folder") == ["1"]
    assert store.keys("folder") == ["folder/1"]
    s3.put(bucket_of(root), "kling/ledger/folder/2", b"x")
    assert store.names("folder") == ["1", "2"]
    s3.put(bucket_of(root), "kling/ledger/folder/3/4", b"x")
    assert store.keys("folder") == ["folder/1", "folder/2", "folder/3/4"]
    assert store.names("folder") == ["1", "2", "3"]
    assert (store.names("nothing"), store.keys("nothing"), store.read("nothing")) == ([], [], None)


@pytest.mark.parametrize("damage", [b"", b'{"version": 1, "rec'])
def test_a_torn_object_is_not_absent(s3: S3, root: ObjectStoragePath, damage: bytes) -> None:
    ledger(root).write(SENDING)
    (key,) = [key for key in s3.keys(bucket_of(root)) if key.endswith(".json")]
    s3.put(bucket_of(root), key, damage)
    with pytest.raises(UnreadableRecord, match="000001"):
        ledger(root).read(PRINT, 1)


def test_an_answer_that_was_lost_does_not_fence_its_own_writer(
    s3: S3, root: ObjectStoragePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PUT is done, its answer a 500; the client sends it again, and the store refuses: 412."""
    it = ledger(root)
    it.read(PRINT, 1)
    stored: list[str] = []

    def lossy(self: S3Response) -> TYPE_RESPONSE:
        answer = put_object(self)
        stored.append(self.path)
        return answer if len(stored) > 1 else (500, {}, "<Error><Code>InternalError</Code></Error>")

    monkeypatch.setattr(S3Response, "put_object", lossy)
    it.write(SENDING)
    assert len(stored) == 1  # further ones were refused: they are not ours to overwrite
    it.write(SENDING.not_sent("429"))
    assert [key[-11:] for key in keys(s3, root) if "orders" in key] == ["000001.json", "000002.json"]


def test_a_store_that_ignores_the_condition_is_refused(
    s3: S3, root: ObjectStoragePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(self: S3Response) -> TYPE_RESPONSE:
        self.headers = {
            name: value for name, value in self.headers.items() if name.lower() != "if-none-match"
        }
        return put_object(self)

    monkeypatch.setattr(S3Response, "put_object", careless)
    for _ in range(2):
        with pytest.raises(InvalidArgument, match=r"s3://bucket.*/kling/ledger, and that store replaced"):
            ledger(root).read(PRINT, 1)
    assert keys(s3, root) == ["exclusive-create"]


def test_a_bucket_that_is_not_there_is_not_an_empty_ledger(s3: S3) -> None:
    with pytest.raises(LedgerUnavailable, match=r"s3://nowhere/ledger.* can't be created: FileNotFoundError"):
        ledger(open_ledger_path(f"s3://{S3.conn_id}@nowhere/ledger")).read(PRINT, 1)


def test_a_list_that_fails_is_not_an_empty_one(
    s3: S3, root: ObjectStoragePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = ledger(root)
    it.write(SENDING)
    denied = (403, {}, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    monkeypatch.setattr(S3Response, "list_objects_v2", lambda self: denied)
    with pytest.raises(LedgerUnavailable, match=r"can't be listed: PermissionError"):
        it.read(PRINT, 1)


def test_who_may_not_write_sends_nothing(root: ObjectStoragePath, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = (403, {}, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    monkeypatch.setattr(S3Response, "put_object", lambda self: denied)
    with pytest.raises(LedgerUnavailable, match=r"exclusive-create can't be created: PermissionError"):
        ledger(root).read(PRINT, 1)


def test_no_connection_id_and_no_secret_in_what_people_read(s3: S3, root: ObjectStoragePath) -> None:
    it, other = ledger(root), ledger(root)
    it.read(PRINT, 1)
    other.write(SENDING)
    with pytest.raises(Fenced) as fenced:
        it.write(SENDING)
    assert f"s3://{str(root.path).partition('/')[0]}/kling/ledger/prod/orders/" in str(fenced.value)
    said = str(fenced.value) + "".join(
        s3.get(bucket_of(root), key).decode() for key in s3.keys(bucket_of(root))
    )
    assert S3.conn_id not in said
    assert "tests-secret" not in said


def test_a_person_puts_it_right(
    s3: S3, root: ObjectStoragePath, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", str(root))
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    order = SCOPE.order(PRINT, 1)
    ledger(root).write(SENDING)
    ledger(root, TaskKey("other", "run", "submit")).write(SENDING)
    before = {key: s3.get(bucket_of(root), key) for key in s3.keys(bucket_of(root))}
    assert main(["ledger", "adopt", order[:8], "r-1"]) == 0
    assert ledger(root).claim("r-1", ledger(root).owner(PRINT, 1)) is True
    assert ledger(root).claim("r-1", "another") is False
    assert main(["ledger", "forget", order[:8], "--yes"]) == 0
    record = ledger(root).read(PRINT, 1)
    assert record is not None
    assert record.state is State.NOT_SENT
    capsys.readouterr()
    assert main(["ledger", "list"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]] == ["not_sent", "sending"]
    assert main(["ledger", "show", order[:8]]) == 0
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()[5:]] == [
        "sending",
        "submitted",
        "not_sent",
    ]
    after = {key: s3.get(bucket_of(root), key) for key in s3.keys(bucket_of(root))}
    assert after.items() >= before.items()
    assert len(after) == len(before) + 3


def test_what_a_program_reads_is_json_and_nothing_else(s3: S3, root: ObjectStoragePath) -> None:
    """In a process of its own, where Airflow greets with its log."""
    ledger(root).write(SENDING)
    command = [sys.executable, "-m", "kling_airflow", "ledger", "list", "--json", "--ledger", str(root)]
    done = subprocess.run(
        [*command, "--deployment", "prod"], check=True, capture_output=True, text=True, timeout=120
    )
    assert [step["order"] for step in json.loads(done.stdout)] == [SCOPE.order(PRINT, 1)]
    assert "tests-secret" not in done.stderr


def head() -> list[str]:
    """Return the call with which newer clients ask for an object's size before they read it."""
    if not hasattr(S3FileSystem, "_cat_file_concurrent"):
        return []
    return ["GET object" if Version(version("s3fs")) < Version("2026.9") else "HEAD object"]


def test_what_a_try_costs_in_calls(root: ObjectStoragePath, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger(root).read("e" * 64, 1)
    calls: list[str] = []

    def counted(name: str) -> Callable[[S3Response, Any, str], Any]:
        handle = getattr(S3Response, name)

        def handler(self: S3Response, request: Any, full_url: str) -> Any:
            calls.append(f"{request.method} {'LIST' if 'list-type' in full_url else 'object'}")
            return handle(self, request, full_url)

        return handler

    for name in ("_key_response", "_bucket_response"):
        monkeypatch.setattr(S3Response, name, counted(name))
    folder_module.PROVEN.clear()  # as in the next process
    it = ledger(root)
    it.read(PRINT, 1)
    assert calls == ["PUT object", *head(), "GET object", "GET LIST", "GET LIST"]
    calls.clear()
    it.write(SENDING)
    it.write(SENDING.submitted("r-1", now=5))
    it.claim("r-1", "me")
    assert calls == [*["PUT object"] * 3, "GET LIST", *head(), "GET object"]  # a claim is a file of its own
    calls.clear()
    ledger(root).read(PRINT, 1)
    assert calls == ["GET LIST", *head(), "GET object"]
