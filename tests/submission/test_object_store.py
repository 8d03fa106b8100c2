from __future__ import annotations

import json
import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from kling_airflow.errors import Fenced, InvalidArgument, LedgerUnavailable, UnreadableRecord
from kling_airflow.submission import object_store as folder_module
from kling_airflow.submission.exclusive_store import LocalStore
from kling_airflow.submission.ledger import Ledger
from kling_airflow.submission.object_store import ObjectStoreLedger, prove
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey

KEY = TaskKey("dag", "run", "submit", 3)
PRINT = "f" * 64
EMPTY = SubmissionRecord(PRINT, 1, "m", State.NOT_SENT)


def ledger(root: Path, key: TaskKey = KEY, deployment: str = "prod", **options: Any) -> ObjectStoreLedger:
    return ObjectStoreLedger(root, key, deployment=deployment, **options)


def sending(record: SubmissionRecord = EMPTY, now: float = 100.0) -> SubmissionRecord:
    return record.sending(now=now, within=180, marker="https://p/f.png", frames={"image": "https://p/f.png"})


def steps(root: Path) -> list[Path]:
    return sorted(root.rglob("*.json"))


def test_it_is_a_ledger(tmp_path: Path) -> None:
    it: Ledger = ledger(tmp_path)
    assert it.read(PRINT, 1) is None
    it.write(sending())
    assert it.read(PRINT, 1) == sending()
    assert it.claim("r-1", "me") is True


def test_the_next_try_reads_what_this_one_wrote(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    first.read(PRINT, 1)
    first.write(sending())
    submitted = sending().submitted("r-1", now=105)
    first.write(submitted)
    assert ledger(tmp_path).read(PRINT, 1) == submitted


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    it = ledger(tmp_path, by="try 2", now=lambda: 1_790_000_000.0)
    it.write(sending())
    it.write(sending().submitted("r-1", now=105))
    assert [path.name for path in steps(tmp_path)] == ["000001.json", "000002.json"]
    order = KEY.order(PRINT, 1)
    assert steps(tmp_path)[0].parent == tmp_path / "prod/orders/dag/run/submit.3" / order
    said = json.loads(steps(tmp_path)[0].read_bytes())
    assert said["record"] == sending().to_json()
    expected = {"version": 1, "order": order, "number": 1, "by": "try 2", "at": 1_790_000_000.0}
    assert said.items() >= (expected | KEY.to_json()).items()


def test_a_step_is_small(tmp_path: Path) -> None:
    ledger(tmp_path).write(sending().submitted("r" * 36, now=1))
    assert steps(tmp_path)[0].stat().st_size < 1200


@pytest.mark.parametrize(
    "other",
    [
        TaskKey("dag2", "run", "submit", 3),
        TaskKey("dag", "run2", "submit", 3),
        TaskKey("dag", "run", "submit2", 3),
        TaskKey("dag", "run", "submit", 4),
        TaskKey("dag", "run", "submit"),
    ],
)
def test_another_task_has_records_of_its_own(tmp_path: Path, other: TaskKey) -> None:
    ledger(tmp_path).write(sending())
    assert ledger(tmp_path, other).read(PRINT, 1) is None


def test_tasks_whose_folders_share_a_name_do_not_share_records(tmp_path: Path) -> None:
    one, two = TaskKey("dag", "run:1", "submit"), TaskKey("dag", "run;1", "submit")
    assert one.folder() == two.folder()
    ledger(tmp_path, one).write(sending())
    assert ledger(tmp_path, two).read(PRINT, 1) is None


def test_each_order_and_take_has_a_record_of_its_own(tmp_path: Path) -> None:
    ledger(tmp_path).write(sending())
    assert ledger(tmp_path).read(PRINT, 2) is None
    assert ledger(tmp_path).read("e" * 64, 1) is None


def test_a_task_knows_all_it_has_asked_for(tmp_path: Path) -> None:
    one, two = TaskKey("dag", "run:1", "submit"), TaskKey("dag", "run;1", "submit")
    it = ledger(tmp_path, one)
    assert it.records() == []
    it.write(sending())
    it.write(sending().submitted("r-1", now=105))
    second = replace(sending(), take=2)
    it.write(second)
    ledger(tmp_path, two).write(replace(sending(), take=3))
    assert sorted(it.records(), key=lambda record: record.take) == [
        sending().submitted("r-1", now=105),
        second,
    ]
    steps(tmp_path)[0].parent.joinpath("000009.json").write_bytes(b"")
    with pytest.raises(UnreadableRecord, match="000009"):
        ledger(tmp_path, one).records()


def test_deployments_share_claims_and_nothing_else(tmp_path: Path) -> None:
    prod, dev = ledger(tmp_path), ledger(tmp_path, deployment="dev")
    prod.write(sending())
    assert dev.read(PRINT, 1) is None
    assert prod.claim("r-1", "mine")
    assert not dev.claim("r-1", "another's"), "they can share an organization, and then its list of requests"
    assert dev.owner(PRINT, 1) != prod.owner(PRINT, 1)


@pytest.mark.parametrize("name", ["", "..", "a/b", "Prod", "-dev", "a b", "x" * 64])
def test_a_deployment_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="`deployment` is .*lower case"):
        ledger(tmp_path, deployment=name)


def test_a_try_that_was_overtaken_writes_nothing(tmp_path: Path) -> None:
    old, new = ledger(tmp_path, by="try 1"), ledger(tmp_path, by="try 2", now=lambda: 0.0)
    assert old.read(PRINT, 1) is new.read(PRINT, 1) is None
    new.write(sending())
    with pytest.raises(Fenced, match=r"000001\.json \(`sending`, by try 2, at 1970-01-01 00:00:00 UTC\)"):
        old.write(sending(now=200))
    assert ledger(tmp_path).read(PRINT, 1) == sending()


def test_reading_again_does_not_lift_the_fence(tmp_path: Path) -> None:
    old, new = ledger(tmp_path), ledger(tmp_path)
    old.read(PRINT, 1)
    new.read(PRINT, 1)
    new.write(sending())
    assert old.read(PRINT, 1) == sending()
    for _ in range(2):
        with pytest.raises(Fenced):
            old.write(sending(now=200))
    assert len(steps(tmp_path)) == 1


def test_a_try_that_has_written_can_still_be_overtaken(tmp_path: Path) -> None:
    old, new = ledger(tmp_path), ledger(tmp_path)
    old.write(sending())
    assert new.read(PRINT, 1) == sending()
    new.write(sending(sending().not_sent("429"), now=200))
    with pytest.raises(Fenced):
        old.write(sending().submitted("r-1", now=205))


def test_a_write_without_a_read_supposes_that_there_is_nothing(tmp_path: Path) -> None:
    ledger(tmp_path).write(sending())
    with pytest.raises(Fenced):
        ledger(tmp_path).write(sending())


def test_reading_after_the_fence_does_not_lift_it(tmp_path: Path) -> None:
    it = ledger(tmp_path)
    ledger(tmp_path).write(sending())
    with pytest.raises(Fenced):
        it.write(sending())
    assert it.read(PRINT, 1) == sending()
    with pytest.raises(Fenced):
        it.write(sending())


def test_an_unreadable_step_fences_too(tmp_path: Path) -> None:
    it = ledger(tmp_path)
    it.read(PRINT, 1)
    ledger(tmp_path).write(sending())
    steps(tmp_path)[0].write_bytes(b"")
    with pytest.raises(Fenced, match="unreadable"):
        it.write(sending())


def _damage(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "JSONDecodeError"),
        (lambda path: path.write_bytes(b"[]"), "the version 'list'"),
        (lambda path: path.write_bytes(b"\xff\xfe\xfa"), "UnicodeDecodeError"),
        (lambda path: _damage(path, version=2), "the version 2, and this release reads version 1"),
        (lambda path: _damage(path, record={"version": 9}), "the version 9"),
        (lambda path: _damage(path, record=None), "the version 'NoneType'"),
        (lambda path: _damage(path, number=7), "it is entry 7"),
        (lambda path: _damage(path, run_id="another"), "of the order"),
        (lambda path: _damage(path, map_index="3"), "map_index"),
        (lambda path: _damage(path, at=None), "TypeError"),
    ],
)
def test_unreadable_is_not_absent(tmp_path: Path, damage: Any, said: str) -> None:
    first = ledger(tmp_path)
    first.write(sending())
    first.write(sending().not_sent("429"))
    damage(steps(tmp_path)[-1])
    it = ledger(tmp_path)
    with pytest.raises(UnreadableRecord, match=rf"000002\.json is unreadable: .*{said}"):
        it.read(PRINT, 1)
    with pytest.raises(Fenced):  # a try that goes on all the same is fenced
        it.write(sending())


def test_other_files_in_the_folder_are_not_steps(tmp_path: Path) -> None:
    ledger(tmp_path).write(sending())
    for name in (".0f3a", "000009.json.bak", "9.json", "notes.txt"):
        (steps(tmp_path)[0].parent / name).write_bytes(b"x")
    assert ledger(tmp_path).read(PRINT, 1) == sending()


def test_what_was_there_and_is_gone_is_not_absent(tmp_path: Path) -> None:
    it = ledger(tmp_path)
    it.write(sending())
    shutil.rmtree(tmp_path / "prod/orders")
    with pytest.raises(UnreadableRecord, match="had 1 entries, and has 0 now"):
        it.read(PRINT, 1)


def test_a_folder_that_cannot_be_listed_is_not_empty(tmp_path: Path) -> None:
    it = ledger(tmp_path)
    it.write(sending())
    (tmp_path / "prod/orders").rename(tmp_path / "prod/away")
    (tmp_path / "prod/orders").write_bytes(b"")
    with pytest.raises(LedgerUnavailable, match="NotADirectoryError"):
        ledger(tmp_path).read(PRINT, 1)


class Deaf(LocalStore):
    """Writes, and loses the answer."""

    def create(self, key: str, data: bytes) -> bool:
        super().create(key, data)
        raise LedgerUnavailable("lost")


def test_a_write_whose_answer_was_lost_can_be_repeated(tmp_path: Path) -> None:
    it = ledger(tmp_path)
    it.read(PRINT, 1)
    store = it.journal.store
    it.journal.store = Deaf(tmp_path)
    prove(store, "prod")
    with pytest.raises(LedgerUnavailable):
        it.write(sending())
    it.journal.store = store
    it.write(sending())
    it.write(sending().submitted("r-1", now=105))
    assert ledger(tmp_path).read(PRINT, 1) == sending().submitted("r-1", now=105)


def test_what_was_written_unnoticed_is_ours_when_it_is_read(tmp_path: Path) -> None:
    it = ledger(tmp_path)
    it.read(PRINT, 1)
    store = it.journal.store
    it.journal.store = Deaf(tmp_path)
    with pytest.raises(LedgerUnavailable):
        it.write(sending())
    it.journal.store = store
    assert it.read(PRINT, 1) == sending()
    it.write(sending().not_sent("429"))
    assert [path.name for path in steps(tmp_path)] == ["000001.json", "000002.json"]


@pytest.mark.parametrize(
    "request_id", ["8f0c-1", "../../orders/x", "a/b", "", ".", "☃", "x" * 500, "~" + "0" * 64]
)
def test_a_request_belongs_to_one_order(tmp_path: Path, request_id: str) -> None:
    assert ledger(tmp_path).claim(request_id, "order 1") is True
    assert ledger(tmp_path).claim(request_id, "order 1") is True
    assert ledger(tmp_path).claim(request_id, "order 2") is False
    assert ledger(tmp_path).claim(f"{request_id}.", "order 2") is True
    assert len(list((tmp_path / "_claims").iterdir())) == 2


def test_a_request_is_claimed_under_its_own_name(tmp_path: Path) -> None:
    owner = ledger(tmp_path).owner(PRINT, 1)
    ledger(tmp_path).claim("8f0c", owner)
    assert (tmp_path / "_claims/8f0c/000001").read_text() == owner == f"prod: {KEY.owner(PRINT, 1)}"


def test_of_many_orders_exactly_one_gets_a_request(tmp_path: Path) -> None:
    start = threading.Barrier(16)
    got: list[str] = []

    def claim(owner: str) -> None:
        it = ledger(tmp_path)
        start.wait()
        if it.claim("r-1", owner):
            got.append(owner)

    threads = [threading.Thread(target=claim, args=(f"order {number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


class Overwriting(LocalStore):
    """A store that ignores the condition, as some that speak S3 do."""

    def create(self, key: str, data: bytes) -> bool:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return True


@pytest.mark.parametrize(
    "ask", [lambda it: it.read(PRINT, 1), lambda it: it.write(sending()), lambda it: it.claim("r", "o")]
)
def test_a_store_that_replaces_files_is_refused_before_anything_is_spent(tmp_path: Path, ask: Any) -> None:
    it = ledger(tmp_path)
    it.journal.store = Overwriting(tmp_path)
    for _ in range(2):
        with pytest.raises(InvalidArgument, match=r"replaced a file.*Use a store with conditional writes"):
            ask(it)
    assert steps(tmp_path) == []


def test_a_store_is_tried_once_per_process_and_leaves_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[str] = []
    create = LocalStore.create

    def counted(self: LocalStore, key: str, data: bytes) -> bool:
        created.append(key)
        return create(self, key, data)

    monkeypatch.setattr(LocalStore, "create", counted)
    for _ in range(3):
        ledger(tmp_path).read(PRINT, 1)
    assert created == ["prod/exclusive-create"] * 2
    folder_module.PROVEN.clear()  # as in the next process
    ledger(tmp_path).read(PRINT, 1)
    assert created == ["prod/exclusive-create"] * 3
    ledger(tmp_path, deployment="dev").read(PRINT, 1)
    assert created[3:] == ["dev/exclusive-create"] * 2
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2


class Tries(RuleBasedStateMachine):
    """Several tries of one task over one folder, in any interleaving, some with lost answers.

    The model: the steps in the order in which writes were believed to succeed, and what each try last
    knew. A try may write only while everything since its first read is its own.
    """

    tries = Bundle("tries")
    requests = st.sampled_from(["r-1", "r-2"])

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="kling-airflow-tries-"))
        self.written: list[tuple[int, SubmissionRecord]] = []  # who, what
        self.known: dict[int, int] = {}  # by try: how many steps it knows of
        self.ledgers: dict[int, ObjectStoreLedger] = {}
        self.owners: dict[str, int] = {}
        self.clock = 0.0
        prove(LocalStore(self.root), "prod")

    def teardown(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    @rule(target=tries)
    def begin(self) -> int:
        number = len(self.ledgers)
        self.ledgers[number] = ledger(self.root, by=f"try {number}")
        return number

    @rule(who=tries)
    def read(self, who: int) -> None:
        record = self.ledgers[who].read(PRINT, 1)
        assert record == (self.written[-1][1] if self.written else None)
        self.known.setdefault(who, len(self.written))

    def may_write(self, who: int) -> bool:
        known = self.known.setdefault(who, 0)  # a write without a read supposes that there is nothing
        return all(writer == who for writer, _ in self.written[known:])

    def record(self) -> SubmissionRecord:
        self.clock += 1
        return sending(now=self.clock)

    @rule(who=tries)
    def write(self, who: int) -> None:
        record, may = self.record(), self.may_write(who)
        try:
            self.ledgers[who].write(record)
        except Fenced:
            assert not may
        else:
            assert may
            self.written.append((who, record))
            self.known[who] = len(self.written)

    @rule(who=tries)
    def write_and_lose_the_answer(self, who: int) -> None:
        record, may, its = self.record(), self.may_write(who), self.ledgers[who]
        store, its.journal.store = its.journal.store, Deaf(self.root)
        with pytest.raises(LedgerUnavailable):
            its.write(record)
        its.journal.store = store
        if len(steps(self.root)) > len(self.written):
            assert may
            self.written.append((who, record))
        else:  # something stood there, be it its own
            assert self.known[who] < len(self.written)

    @rule(who=tries, request=requests)
    def claim(self, who: int, request: str) -> None:
        got = self.ledgers[who].claim(request, f"try {who}")
        assert got == (self.owners.setdefault(request, who) == who)

    @invariant()
    def the_files_are_what_was_believed(self) -> None:
        said = [json.loads(path.read_bytes()) for path in steps(self.root)]
        assert [step["number"] for step in said] == list(range(1, len(self.written) + 1))
        assert [step["by"] for step in said] == [f"try {who}" for who, _ in self.written]
        assert [SubmissionRecord.read(step["record"]) for step in said] == [
            record for _, record in self.written
        ]


Tries.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTries = Tries.TestCase
