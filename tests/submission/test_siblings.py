"""A mapped task whose upstream list came in another order after a clear finds each clip by what it asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kling_airflow.errors import UnresolvedSubmission
from kling_airflow.submission.ledger import Ledger
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.order import DeliveredFrames, Order, SubmitLater
from kling_airflow.submission.record import fingerprint
from kling_airflow.submission.task_key import TaskKey
from kling_airflow.submission.task_state import TaskStateLedger
from tests.airflow_context import TaskStateStore
from tests.media.pictures import HUBBLE, ROCKET
from tests.submission.bench import Bench

TEXT_MODEL = "kling-v3-text-to-video"
KEY = TaskKey("dag", "run", "submit")
SHOTS = [("rise A", ROCKET), ("rise B", HUBBLE), ("rise C", ROCKET)]


def text_order(prompt: str) -> Order:
    """Return an order without a frame."""
    fields = {"prompt": prompt, "duration": "3", "sound": "off"}
    print_ = fingerprint(TEXT_MODEL, fields, {}, base_url="http://q", organization_id=None)
    return Order(TEXT_MODEL, print_, 1, lambda *_: DeliveredFrames({}), lambda _: fields, fields)


class Mapped:
    """The mapped instances of one task, all with the same kind of ledger.

    :param folder: of the ledger in an object store; None for Airflow's task state stores.
    :param discards: whether a clear discards the task state stores, as from Airflow 3.4 on.
    """

    def __init__(self, bench: Bench, folder: Path | None, *, discards: bool = False) -> None:
        self.bench, self.folder, self.discards = bench, folder, discards
        self.stores = [TaskStateStore() for _ in range(6)]
        self.held: dict[int, str] = {}

    def ledger(self, index: int) -> Ledger:
        if self.folder is not None:
            return ObjectStoreLedger(self.folder, KEY.sibling(index), deployment="test")
        return TaskStateLedger({"task_state_store": self.stores[index]}, KEY.sibling(index))

    def run(self, index: int, order: Order, *, cleared: bool, **known: Any) -> Any:
        if cleared and self.discards:
            self.stores[index] = TaskStateStore()
        settings = {"lost_memory": self.bench.memory(**known)} if cleared else {}
        found = self.bench.run(order, self.ledger(index), **settings)
        self.held[index] = getattr(found, "request_id", str(found))
        return found

    def orders(self, shots: list[tuple[str, Path]]) -> list[Order]:
        return [self.bench.picture_order(path.read_bytes(), prompt=prompt) for prompt, path in shots]


@pytest.fixture(params=["folder", "store", "discarded store"])
def mapped(request: pytest.FixtureRequest, bench: Bench, tmp_path: Path) -> Mapped:
    folder = tmp_path if request.param == "folder" else None
    return Mapped(bench, folder, discards=request.param == "discarded store")


@pytest.mark.parametrize("turn", [1, 2])
def test_shots_in_another_order_find_their_clips(mapped: Mapped, turn: int) -> None:
    orders = mapped.orders(SHOTS)
    first = [mapped.run(index, order, cleared=False).request_id for index, order in enumerate(orders)]
    turned = orders[turn:] + orders[:turn]
    again = [mapped.run(index, order, cleared=True).request_id for index, order in enumerate(turned)]
    assert again == first[turn:] + first[:turn]
    assert sorted(mapped.bench.bought()) == sorted(first)
    back = [mapped.run(index, order, cleared=True).request_id for index, order in enumerate(orders)]
    assert back == first, "and back again"
    assert len(mapped.bench.bought()) == 3


def test_a_shot_that_is_new_is_bought(mapped: Mapped) -> None:
    orders = mapped.orders(SHOTS)
    for index, order in enumerate(orders[:2]):
        mapped.run(index, order, cleared=False)
    mapped.bench.clock.advance(5)
    turned = [orders[1], orders[2], orders[0]]
    found = []
    for index, order in enumerate(turned):
        found.append(mapped.run(index, order, cleared=True))
        if isinstance(found[-1], UnresolvedSubmission):  # that the discarded store held nothing is not proven
            assert mapped.discards
            mapped.bench.stranger()
            found[-1] = mapped.bench.run(order, mapped.ledger(index), lost_memory=mapped.bench.memory())
    assert [each.fresh for each in found] == [False, True, False]
    assert len(mapped.bench.bought()) - mapped.discards == 3


@pytest.mark.parametrize("discards", [False, True])
@pytest.mark.parametrize("turn", [1, 2])
def test_shots_of_text_alone_in_another_order_find_their_clips(
    bench: Bench, turn: int, discards: bool
) -> None:
    """Nothing in them tells which instance bought them, and their stores hold no claims."""
    mapped = Mapped(bench, None, discards=discards)
    orders = [text_order(prompt) for prompt in ("rise A", "rise B", "rise C")]
    first = [mapped.run(index, order, cleared=False).request_id for index, order in enumerate(orders)]
    turned = orders[turn:] + orders[:turn]
    again: list[str] = []
    for index, order in enumerate(turned):
        again.append(mapped.run(index, order, cleared=True, claimed=frozenset(again)).request_id)
    assert again == first[turn:] + first[:turn]
    assert sorted(bench.bought()) == sorted(first)


def test_several_shots_of_the_same_text_are_a_question_to_a_person(bench: Bench) -> None:
    mapped = Mapped(bench, None)
    for index in (0, 1):
        mapped.run(index, text_order("rise"), cleared=False)
    found = mapped.run(2, text_order("rise"), cleared=True)
    assert isinstance(found, UnresolvedSubmission)
    assert all(mapped.held[index] in str(found) for index in (0, 1))
    assert len(bench.bought()) == 2


@pytest.mark.parametrize("fault", ["echo-empty", "list-no-payloads"])
def test_a_sibling_whose_echo_is_partial_is_a_question_to_a_person(bench: Bench, fault: str) -> None:
    mapped = Mapped(bench, None)
    rise, fall = mapped.orders(SHOTS[:2])
    first = mapped.run(0, rise, cleared=False)
    mapped.run(1, fall, cleared=False)
    bench.simulator.faults.add(fault, for_seconds=99_999)
    found = mapped.run(1, rise, cleared=True)
    assert isinstance(found, UnresolvedSubmission)
    assert first.request_id in str(found)
    assert len(bench.bought()) == 2


def test_a_clip_that_another_instance_holds_is_not_taken(bench: Bench, tmp_path: Path) -> None:
    """Only one instance was cleared, and asks now for what the other one has."""
    for folder in (tmp_path, None):
        mapped = Mapped(bench, folder)
        orders = mapped.orders([(f"rise {folder}", ROCKET), (f"fall {folder}", ROCKET)])
        kept = mapped.run(0, orders[0], cleared=False)
        mapped.run(1, orders[1], cleared=False)
        found = mapped.run(1, orders[0], cleared=True, claimed=frozenset({kept.request_id}))
        assert found.fresh


class TestInOneFolder:
    """Claims say which instance has a request, so that twins share none."""

    @pytest.fixture
    def twins(self, bench: Bench, tmp_path: Path) -> Mapped:
        return Mapped(bench, tmp_path)

    def test_twins_never_share_a_clip(self, twins: Mapped) -> None:
        """Three instances asked for two different things; after the clear two ask for the same."""
        rise, fall = twins.orders(SHOTS[:2])
        first = [twins.run(index, order, cleared=False) for index, order in enumerate([rise, rise, fall])]
        again = [twins.run(index, order, cleared=True) for index, order in enumerate([fall, rise, rise])]
        assert {each.request_id for each in again} == {each.request_id for each in first}
        assert len(twins.bench.bought()) == 3

    def test_one_more_twin_is_one_more_clip(self, twins: Mapped) -> None:
        rise, fall = twins.orders(SHOTS[:2])
        for index, order in enumerate([rise, fall]):
            twins.run(index, order, cleared=False)
        first = twins.run(0, rise, cleared=True)
        second = twins.run(1, rise, cleared=True, claimed=frozenset({first.request_id}))
        assert first.request_id != second.request_id
        assert len(twins.bench.bought()) == 3

    def test_a_lost_answer_of_another_instance_is_looked_for(self, twins: Mapped) -> None:
        rise, fall = twins.orders(SHOTS[:2])
        twins.bench.simulator.faults.add("reset-after", call="POST /requests")
        twins.bench.simulator.faults.add("list-empty", for_seconds=30)
        twins.bench.ledger = twins.ledger(0)
        with pytest.raises(SubmitLater):
            twins.bench.submitter(sleep=lambda _: None).submit(rise)
        twins.bench.ledger = twins.ledger(1)
        with pytest.raises(SubmitLater):
            twins.bench.submitter(sleep=lambda _: None, lost_memory=twins.bench.memory()).submit(rise)
        twins.bench.clock.advance(60)
        twins.bench.ledger = twins.ledger(1)
        submitter = twins.bench.submitter(lost_memory=twins.bench.memory())
        found = submitter.submit(rise, in_doubt=(rise.fingerprint, rise.take))
        assert [found.request_id] == twins.bench.bought()
        assert twins.run(0, fall, cleared=True).fresh

    def test_a_failed_clip_of_another_instance_is_bought_anew(self, twins: Mapped) -> None:
        rise, _ = twins.orders(SHOTS[:2])
        twins.bench.simulator.fail_next("content policy")
        failed = twins.run(0, rise, cleared=False)
        twins.bench.clock.advance(300)
        twins.bench.simulator.wait_rendered()
        found = twins.run(1, rise, cleared=True)
        assert found.fresh
        assert found.request_id != failed.request_id

    def test_without_a_clear_no_instance_looks_at_another(self, twins: Mapped) -> None:
        rise, _ = twins.orders(SHOTS[:2])
        twins.run(0, rise, cleared=False)
        assert twins.run(1, rise, cleared=True).fresh is False
        memory = twins.bench.memory(cleared=False)
        assert twins.bench.run(rise, twins.ledger(2), lost_memory=memory).fresh


def test_two_instances_that_take_over_at_once_share_nothing(tmp_path: Path) -> None:
    keys = [KEY.sibling(index) for index in range(3)]
    owner, *heirs = [ObjectStoreLedger(tmp_path, key, deployment="test") for key in keys]
    assert owner.claim("r", owner.owner("f", 1))
    assert [heir.take_over("r", keys[0], "f", 1) for heir in heirs] == [True, False]
    assert not owner.claim("r", owner.owner("f", 1)), "its instance sees that the request is another's now"
    assert heirs[0].claim("r", heirs[0].owner("f", 1))
