"""Whatever the list makes of the echo of what was bought: no loss and no clear buys it again."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kling_airflow.gmi.request import Page, Request
from kling_airflow.submission.order import Order, SubmitLater
from tests.airflow_context import TaskStateStore
from tests.submission.bench import Bench
from tests.submission.test_lost_memory import PICTURE, ledger, text_order

PROMPT = 'rise & "shine" over the sea'
Edit = Callable[[Any], Any]


def changed(name: str, edit: Edit) -> Callable[[Request], Request]:
    """Return what changes one field of an echo; None drops the field."""

    def change(row: Request) -> Request:
        if name not in row.payload:
            return row
        payload = {**row.payload, name: edit(row.payload[name])}
        return replace(row, payload={key: value for key, value in payload.items() if value is not None})

    return change


ODD: dict[str, Callable[[Request], Request]] = {
    "as it is": lambda row: row,
    "escaped": changed("prompt", html.escape),
    "a hash": changed("prompt", lambda _: "9f86d081884c7d659a2feaa0c55ad015"),
    "milliseconds": changed("duration", lambda value: int(value) * 1000),
    "a switch": changed("sound", lambda _: False),
    "without image": changed("image", lambda _: None),
    "another scheme": changed("image", lambda value: value.replace("http:", "https:")),
    "upper case": changed("image", str.upper),
    "a thumbnail": changed("image", lambda value: value.replace(".jpeg", "_small.jpeg")),
    "an object": changed("image", lambda value: {"url": value}),
    "Base64, cut": changed("image", lambda _: "data:image/jpeg;base64," + "/9j/4AAQSkZJRg" * 20),
    "nested": lambda row: replace(row, payload={"input": dict(row.payload)}),
    "empty": lambda row: replace(row, payload={}),
    "a model in upper case": lambda row: replace(row, model=row.model.upper()),
    "without time": lambda row: replace(row, created_at=None),
}


def order_of(bench: Bench, kind: str) -> Order:
    return text_order(PROMPT) if kind == "text" else bench.picture_order(PICTURE, prompt=PROMPT)


@pytest.fixture(params=ODD)
def spoil(
    request: pytest.FixtureRequest, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Let time pass, let a stranger submit, and let the list echo in an odd way from then on."""
    read, edit = bench.client.list_page, ODD[request.param]

    def list_page(model: str, *, limit: int = 100, offset: int = 0) -> Page:
        page = read(model, limit=limit, offset=offset)
        return replace(page, requests=tuple(map(edit, page.requests)))

    def begin() -> None:
        bench.clock.advance(1600)
        stranger = {"prompt": "a stranger's cat", "duration": "3"}
        bench.client.submit("kling-v3-text-to-video", stranger)
        bench.client.submit("kling-v3-image-to-video", stranger | {"image": bench.strangers_image})
        bench.clock.advance(5)
        monkeypatch.setattr(bench.client, "list_page", list_page)

    return begin


@pytest.mark.parametrize("kind", ["picture", "text"])
def test_a_clear_that_discards_the_store_buys_nothing(
    bench: Bench, spoil: Callable[[], None], kind: str
) -> None:
    order = order_of(bench, kind)
    bench.run(order, ledger())
    spoil()
    bench.run(order, ledger(), lost_memory=bench.memory())
    assert len(bench.bought()) == 3, "the clip and the two strangers'"


@pytest.mark.parametrize("kind", ["picture", "text"])
def test_a_lost_answer_buys_nothing(bench: Bench, spoil: Callable[[], None], kind: str) -> None:
    order, store = order_of(bench, kind), TaskStateStore()
    bench.simulator.faults.add("reset-after", call="POST /requests")
    bench.simulator.faults.add("list-empty", for_seconds=300)
    bench.ledger = ledger(store=store)
    with pytest.raises(SubmitLater):
        bench.submitter(sleep=lambda _: None).submit(order)
    bench.simulator.faults.clear()
    spoil()
    bench.run(order, ledger(store=store))
    assert len(bench.bought()) == 3, "the clip and the two strangers'"
