"""A task whose ledger was discarded by a clear (Airflow 3.4): it finds what it bought, or asks a person."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from kling_airflow.errors import DownloadFailed, UnresolvedSubmission
from kling_airflow.gmi.request import Request
from kling_airflow.media.image_comment import with_comment
from kling_airflow.models import OMNI
from kling_airflow.nested import with_values
from kling_airflow.submission.identity import address_identity, content_identity
from kling_airflow.submission.ledger import MemoryLedger
from kling_airflow.submission.marks import order_mark
from kling_airflow.submission.order import DeliveredFrames, OnUnresolved, Order, SubmitLater, Submitted
from kling_airflow.submission.record import fingerprint
from kling_airflow.submission.source_frame import SourceFrame
from kling_airflow.submission.task_key import TaskKey
from kling_airflow.submission.task_state import TaskStateLedger
from tests.airflow_context import TaskStateStore
from tests.media.pictures import HUBBLE, ROCKET
from tests.submission.bench import MODEL, Bench

PICTURE, OTHER = ROCKET.read_bytes(), HUBBLE.read_bytes()
KEY = TaskKey("dag", "run", "submit")


def ledger(key: TaskKey = KEY, store: TaskStateStore | None = None) -> TaskStateLedger:
    """Return the ledger of a task instance; of one whose store was discarded, without a store."""
    return TaskStateLedger({"task_state_store": store or TaskStateStore()}, key)


def text_order(prompt: str = "rise") -> Order:
    fields = {"prompt": prompt, "duration": "3"}
    model = "kling-v3-text-to-video"
    return replace(ORDER, model=model, fields=fields, payload=lambda _: fields)


def _nothing(*_: Any) -> Any:
    return DeliveredFrames()


ORDER = Order(MODEL, "f" * 64, 1, _nothing, lambda _: {}, {})


@pytest.mark.parametrize("how", ["upload", "base64"])
def test_a_cleared_task_returns_the_clip_it_bought(bench: Bench, how: str) -> None:
    order = bench.picture_order(PICTURE, how=how)
    first = bench.run(order, ledger())
    again = bench.run(order, ledger(), lost_memory=bench.memory())
    assert (again.request_id, again.fresh) == (first.request_id, False)
    assert bench.bought() == [first.request_id]


@pytest.mark.parametrize("early", [0.0, 400.0, 800.0])
def test_an_orders_id_counts_though_the_requests_clock_is_behind(bench: Bench, early: float) -> None:
    """By the clock of requests the purchase was made before the run began."""
    order = bench.picture_order(PICTURE)
    first = bench.run(order, ledger())
    memory = bench.memory(since=bench.clock.now() + early)
    assert bench.run(order, ledger(), lost_memory=memory).request_id == first.request_id


def test_what_was_found_is_remembered_from_then_on(bench: Bench) -> None:
    order, store = bench.picture_order(PICTURE), TaskStateStore()
    bench.run(order, ledger())
    bench.run(order, ledger(store=store), lost_memory=bench.memory())
    bench.simulator.faults.add("list-empty", for_seconds=9999)
    assert not bench.run(order, ledger(store=store), lost_memory=bench.memory()).fresh


def test_a_re_hosted_picture_is_read_where_it_is(bench: Bench) -> None:
    """The queue echoes another address; the picture there is the same file."""
    order = bench.picture_order(PICTURE)
    first = bench.run(order, ledger())
    bench.simulator.faults.add("echo-rehosted", for_seconds=9999)
    delivered = with_comment(PICTURE, order_mark(KEY.order(order.fingerprint, 1)))
    memory = bench.memory(read_frame=lambda url: delivered)
    assert bench.run(order, ledger(), lost_memory=memory).request_id == first.request_id


@pytest.mark.parametrize(("gone", "asked"), [(False, 1), (True, 3)])
def test_a_host_that_gives_no_picture_is_asked_once_in_a_look(bench: Bench, gone: bool, asked: int) -> None:
    """A hundred pictures there would hold the worker for an hour; one that is gone says nothing of others."""
    order = bench.picture_order(PICTURE)
    for run in ("a", "b", "c"):
        bench.run(order, ledger(TaskKey("dag", run, "submit")))
    addresses: list[str] = []

    def unreadable(url: str) -> bytes:
        addresses.append(url)
        raise DownloadFailed("It gives nothing.", gone=gone)

    memory = bench.memory(read_frame=unreadable)
    bench.ledger = ledger()
    with pytest.raises(SubmitLater):
        bench.submitter(lost_memory=memory).submit(order)
    assert len(addresses) == asked
    assert len(bench.bought()) == 3


@pytest.mark.parametrize(
    "change", [{"prompt": "fall"}, {"picture": OTHER}, {"key": TaskKey("dag", "another run", "submit")}]
)
def test_a_request_of_another_order_is_not_taken(bench: Bench, change: dict[str, Any]) -> None:
    asked = {"picture": PICTURE, "prompt": "rise", "key": KEY} | change
    bench.run(bench.picture_order(asked["picture"], prompt=asked["prompt"]), ledger(asked["key"]))
    bench.clock.advance(5)
    found = bench.run(bench.picture_order(PICTURE), ledger(), lost_memory=bench.memory())
    assert isinstance(found, UnresolvedSubmission), "no younger request is listed, so a person decides"
    assert len(bench.bought()) == 1


def test_nothing_is_bought_before_the_list_would_show_what_was(bench: Bench) -> None:
    """The list lags, and the task was cleared right after it had bought."""
    order = bench.picture_order(PICTURE)
    first = bench.run(order, ledger())
    bench.simulator.faults.add("list-lag", lag=400.0, for_seconds=450.0)
    found = bench.run(order, ledger(), lost_memory=bench.memory())
    assert found.request_id == first.request_id
    assert bench.bought() == [first.request_id]


def test_a_post_of_the_cleared_try_that_still_arrives_is_waited_for(bench: Bench) -> None:
    order = bench.picture_order(PICTURE)
    payload = order.payload(order.deliver(KEY.order(order.fingerprint, 1), None, {}).values)
    store = TaskStateStore()
    bench.ledger = ledger(store=store)
    pauses: list[float] = []

    def come_back() -> Any:
        while True:
            try:
                return bench.submitter(lost_memory=bench.memory()).submit(order)
            except SubmitLater as pause:
                pauses.append(pause.seconds)
                bench.clock.advance(pause.seconds)
                if len(pauses) == 1:
                    bench.stranger()
                    bench.client.submit(MODEL, payload)

    found = come_back()
    assert not found.fresh
    assert len([entry for entry in bench.simulator.ledger() if entry.request_id == found.request_id]) == 1
    assert len(bench.bought()) == 2, "the stranger's and ours"


def test_it_is_bought_once_that_is_proven(bench: Bench) -> None:
    store = TaskStateStore()
    order = bench.picture_order(PICTURE)
    found = bench.run(order, ledger(store=store), lost_memory=bench.memory())
    assert isinstance(found, UnresolvedSubmission)
    assert 'on_clear="buy"' in str(found)
    bench.stranger()
    bought = bench.run(order, ledger(store=store), lost_memory=bench.memory())
    assert bought.fresh
    assert bench.run(order, ledger(store=store), lost_memory=bench.memory()).request_id == bought.request_id


def test_a_user_may_decide_to_buy_when_the_grace_is_over(bench: Bench) -> None:
    found = bench.run(
        bench.picture_order(PICTURE),
        ledger(),
        lost_memory=bench.memory(),
        on_unresolved=OnUnresolved.RESUBMIT,
        until=bench.clock.now() + 99_999,
    )
    assert found.fresh


@pytest.mark.parametrize("fault", ["list-empty", "echo-empty", "list-ignores-offset"])
def test_a_list_that_tells_nothing_is_a_question_to_a_person(bench: Bench, fault: str) -> None:
    order = bench.picture_order(PICTURE)
    bench.run(order, ledger())
    bench.clock.advance(300)
    for _ in range(110):
        bench.stranger()
    bench.simulator.faults.add(fault, for_seconds=99_999)
    found = bench.run(order, ledger(), lost_memory=bench.memory())
    assert isinstance(found, UnresolvedSubmission)
    assert len(bench.bought()) == 111


def test_a_failed_request_does_not_count(bench: Bench) -> None:
    order = bench.picture_order(PICTURE)
    bench.simulator.fail_next("content policy")
    failed = bench.run(order, ledger())
    bench.clock.advance(300)
    bench.simulator.wait_rendered()
    store = TaskStateStore()
    bench.run(order, ledger(store=store), lost_memory=bench.memory())
    bench.stranger()
    bought = bench.run(order, ledger(store=store), lost_memory=bench.memory())
    assert bought.fresh
    assert bought.request_id != failed.request_id


def test_a_cancelled_request_is_named_and_not_taken(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    order = bench.picture_order(PICTURE)
    cancelled = bench.run(order, ledger())
    bench.client.cancel(cancelled.request_id)
    assert isinstance(bench.run(order, ledger(), lost_memory=bench.memory()), UnresolvedSubmission)
    assert f"{cancelled.request_id} of this order was cancelled" in caplog.text


def test_of_several_that_carry_the_order_s_id_one_is_taken(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    order = bench.picture_order(PICTURE)
    first = bench.run(order, ledger())
    bench.clock.advance(5)
    bench.client.submit(MODEL, order.payload(order.deliver(KEY.order(order.fingerprint, 1), None, {}).values))
    assert bench.run(order, ledger(), lost_memory=bench.memory()).request_id == first.request_id
    assert "Bought more than once" in caplog.text


class TestWithoutAnOrdersId:
    """The picture was passed on, or its metadata were stripped, or there is none."""

    def test_the_only_candidate_is_taken(self, bench: Bench) -> None:
        order = text_order()
        first = bench.run(order, ledger())
        assert bench.run(order, ledger(), lost_memory=bench.memory()).request_id == first.request_id

    def test_a_stripped_picture_with_the_same_pixels_is_a_candidate(self, bench: Bench) -> None:
        order = bench.picture_order(PICTURE)
        first = bench.run(order, ledger())
        memory = bench.memory(read_frame=lambda url: PICTURE)
        assert bench.run(order, ledger(), lost_memory=memory).request_id == first.request_id

    def test_another_picture_is_not(self, bench: Bench) -> None:
        order = bench.picture_order(PICTURE)
        bench.run(order, ledger())
        memory = bench.memory(read_frame=lambda url: OTHER)
        assert isinstance(bench.run(order, ledger(), lost_memory=memory), UnresolvedSubmission)

    @pytest.mark.parametrize(
        ("kind", "size"), [("JPEG", (640, 427)), ("WEBP", (320, 214)), ("PNG", (160, 107))]
    )
    def test_a_picture_that_was_stored_anew_is_a_question_to_a_person(
        self, bench: Bench, kind: str, size: tuple[int, int]
    ) -> None:
        order = bench.picture_order(PICTURE)
        first = bench.run(order, ledger())
        anew = io.BytesIO()
        Image.open(io.BytesIO(PICTURE)).resize(size).save(anew, kind)
        bench.stranger()
        found = bench.run(order, ledger(), lost_memory=bench.memory(read_frame=lambda url: anew.getvalue()))
        assert isinstance(found, UnresolvedSubmission)
        assert first.request_id in str(found)
        assert len(bench.bought()) == 2

    def test_a_picture_that_is_cut_is_a_question_to_a_person(self, bench: Bench) -> None:
        order = bench.picture_order(PICTURE)
        first = bench.run(order, ledger())
        bench.clock.advance(300)
        bench.stranger()
        found = bench.run(order, ledger(), lost_memory=bench.memory(read_frame=lambda url: PICTURE[:9000]))
        assert isinstance(found, UnresolvedSubmission)
        assert first.request_id in str(found)

    def test_one_that_a_twin_holds_is_not(self, bench: Bench) -> None:
        twins = bench.run(text_order(), ledger(KEY.sibling(1)))
        memory = bench.memory(claimed=frozenset({twins.request_id}))
        found = bench.run(text_order(), ledger(KEY.sibling(0)), lost_memory=memory)
        assert isinstance(found, UnresolvedSubmission), "and that nothing else was bought is not proven"

    def test_one_that_passes_another_address_on_is_not(self, bench: Bench) -> None:
        """`?asset=a` and `?asset=b` are two pictures."""
        order, other = (
            bench.picture_order(PICTURE, how="url", source=f"https://img.example/render?asset={name}")
            for name in "ab"
        )
        bench.run(other, ledger(KEY.sibling(1)))
        assert isinstance(bench.run(order, ledger(), lost_memory=bench.memory()), UnresolvedSubmission)
        first = bench.run(order, ledger())
        assert bench.run(order, ledger(), lost_memory=bench.memory()).request_id == first.request_id

    def test_one_whose_picture_can_not_be_read_is_a_question_to_a_person(self, bench: Bench) -> None:
        order = bench.picture_order(PICTURE)
        first = bench.run(order, ledger())

        def read_frame(url: str) -> bytes:
            raise DownloadFailed("HTTP 403")

        found = bench.run(order, ledger(), lost_memory=bench.memory(read_frame=read_frame))
        assert isinstance(found, UnresolvedSubmission)
        assert first.request_id in str(found)
        assert len(bench.bought()) == 1

    def test_another_take_does_not_take_the_first_take_s(self, bench: Bench) -> None:
        """A user wants another clip of the same, and nothing in a prompt tells takes apart."""
        first = bench.run(text_order(), ledger())
        found = bench.run(replace(text_order(), take=2), ledger(), lost_memory=bench.memory())
        assert isinstance(found, UnresolvedSubmission)
        assert first.request_id in str(found)

    def test_one_that_another_order_of_the_task_holds_is_not_taken(self, bench: Bench) -> None:
        store = TaskStateStore()
        assert not ledger(store=store).begin(complete=False)
        bench.run(replace(text_order(), fingerprint="e" * 64), ledger(store=store))
        found = bench.run(text_order(), ledger(store=store), lost_memory=bench.memory())
        assert isinstance(found, UnresolvedSubmission), "that nothing else was bought is not proven"
        assert len(bench.bought()) == 1

    def test_several_are_a_question_to_a_person(self, bench: Bench) -> None:
        requests = [bench.run(text_order(), ledger(KEY.sibling(index))).request_id for index in (0, 1)]
        found = bench.run(text_order(), ledger(), lost_memory=bench.memory())
        assert isinstance(found, UnresolvedSubmission)
        assert all(request_id in str(found) for request_id in requests)
        assert 'on_clear="buy"' in str(found)
        assert "adopt_request_id" in str(found)
        assert len(bench.bought()) == 2

    def test_one_of_an_earlier_run_is_not(self, bench: Bench) -> None:
        bench.run(text_order(), ledger())
        bench.clock.advance(4000)
        memory = bench.memory(since=bench.clock.now() - 300)
        assert isinstance(bench.run(text_order(), ledger(), lost_memory=memory), UnresolvedSubmission)
        assert len(bench.bought()) == 1


class TestMemoryThatIsWhole:
    """A later try whose store was not discarded buys what no try has bought, without a search."""

    def test_a_try_that_ended_before_it_sent_leaves_its_mark(self, bench: Bench) -> None:
        store = TaskStateStore()
        bench.ledger = ledger(store=store)
        assert bench.submitter().begin()
        bench.simulator.faults.add("list-empty", for_seconds=99_999)
        found = bench.run(bench.picture_order(PICTURE), ledger(store=store), lost_memory=bench.memory())
        assert found.fresh

    def test_a_first_try_searches_nothing(self, bench: Bench) -> None:
        bench.simulator.faults.add("list-empty", for_seconds=99_999)
        assert bench.run(bench.picture_order(PICTURE), ledger()).fresh

    def test_nothing_is_remembered_of_a_task_that_is_not_durable(self, bench: Bench) -> None:
        order = bench.picture_order(PICTURE)
        first = bench.run(order, MemoryLedger())
        assert bench.run(order, MemoryLedger(), lost_memory=bench.memory()).request_id != first.request_id

    def test_a_search_that_was_cut_short_goes_on(self, bench: Bench) -> None:
        """The worker dies while it searches: the next try must not take the new mark for memory."""
        order, store = bench.picture_order(PICTURE), TaskStateStore()
        first = bench.run(order, ledger())
        bench.simulator.faults.add("list-empty", for_seconds=60)
        bench.ledger = ledger(store=store)
        with pytest.raises(SubmitLater):
            bench.submitter(lost_memory=bench.memory()).submit(order)
        bench.clock.advance(100)
        found = bench.run(order, ledger(store=store), lost_memory=bench.memory())
        assert isinstance(found, Submitted)
        assert found.request_id == first.request_id


@pytest.mark.parametrize("how", ["passed on", "uploaded, its metadata lost"])
def test_a_list_of_pictures_that_lacks_an_entry_rules_nothing_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The echo's first picture is our second one: that is no other order."""
    order, younger = omni_order(bench, passed_on=how == "passed on"), omni_order(bench, prompt="another")
    first = bench.run(order, ledger())
    read = Request.read

    def lacking(data: Any, **fields: Any) -> Request | None:
        payload = data.get("payload") if isinstance(data, dict) else None
        if payload and payload.get("image_list"):
            payload["image_list"] = payload["image_list"][1:]
        return read(data, **fields)

    monkeypatch.setattr(Request, "read", lacking)
    bench.ledger = ledger()
    with pytest.raises(SubmitLater) as pause:
        bench.submitter(lost_memory=bench.memory()).submit(order)
    store = bench.ledger
    bench.clock.advance(pause.value.seconds + 400)
    bench.client.submit(younger.model, younger.payload(younger.deliver("0" * 32, None, {}).values))
    found = bench.run(order, store, lost_memory=bench.memory())
    assert isinstance(found, UnresolvedSubmission)
    assert first.request_id in str(found)
    assert len(bench.bought()) == 2, "the first one, and the younger one of another task"


def omni_order(bench: Bench, *, prompt: str = "rise", passed_on: bool = False) -> Order:
    """Return an order of two pictures in a list."""
    fields = {"prompt": prompt, "duration": "3", "aspect_ratio": "1:1", "image_list": [{}, {}]}
    addresses = {
        f"image_list.{number}.image_url": bench.client.upload(data, "jpeg")
        for number, data in enumerate((PICTURE, OTHER))
    }
    frames = {
        place: SourceFrame(
            url, address_identity(url) if passed_on else content_identity(data), None, "", lambda uri: uri
        )
        for (place, url), data in zip(addresses.items(), (PICTURE, OTHER), strict=True)
    }
    print_ = fingerprint(OMNI, fields, {}, base_url="http://q", organization_id=None)
    delivered = DeliveredFrames(addresses)
    return Order(
        OMNI, print_, 1, lambda *_: delivered, lambda values: with_values(fields, values), fields, frames
    )
