"""Partial echoes: the record by id and the rows of the list show the payload otherwise than it was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.simulator import Simulator
from kling_airflow.simulator.faults import record as record_faults
from kling_airflow.simulator.faults.record import EXTRA
from tests.simulator.client import MODEL, Queue, picture

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PAYLOADS = st.dictionaries(st.text(max_size=12), JSON, max_size=6)


@pytest.fixture
def sent(queue: Queue) -> dict[str, Any]:
    """A payload with an uploaded frame."""
    url = queue.upload(picture(), "jpg", "image/jpg")
    return {"prompt": "a long prompt " * 10, "image": url, "duration": "5"}


def echoes(queue: Queue, request_id: str) -> list[Any]:
    """The echo by id, and the echo in the list."""
    rows = queue.list(model_id=MODEL)["requests"]
    (row,) = [row for row in rows if row["request_id"] == request_id]
    return [record.get("payload", "absent") for record in (queue.get(request_id), row)]


@pytest.mark.parametrize(
    ("fault", "options", "expected"),
    [
        ("echo-empty", {}, lambda sent: {}),
        ("echo-absent", {}, lambda sent: "absent"),
        ("echo-without-field", {}, lambda sent: {"prompt": sent["prompt"], "duration": "5"}),
        ("echo-without-field", {"field": "prompt"}, lambda sent: {"image": sent["image"], "duration": "5"}),
        ("echo-redacted", {}, lambda sent: sent | {"image": "***"}),
        ("echo-redacted", {"value": "<redacted>"}, lambda sent: sent | {"image": "<redacted>"}),
        ("echo-redacted", {"field": ""}, lambda sent: dict.fromkeys(sent, "***")),
        ("echo-cut", {"length": 20}, lambda sent: {name: value[:20] for name, value in sent.items()}),
        (
            "echo-cut",
            {"length": 100, "ending": "..."},
            lambda sent: sent | {"prompt": sent["prompt"][:100] + "..."},
        ),
        ("echo-extra", {}, lambda sent: sent | EXTRA),
        (
            "echo-extra",
            {"field": "aspect_ratio", "value": "16:9"},
            lambda sent: sent | {"aspect_ratio": "16:9"},
        ),
    ],
)
def test_echo(
    sim: Simulator, queue: Queue, sent: dict[str, Any], fault: str, options: dict[str, Any], expected: Any
) -> None:
    request_id = queue.submit(**sent)
    assert echoes(queue, request_id) == [sent, sent]
    fault_id = sim.faults.add(fault, **options)
    assert echoes(queue, request_id) == [expected(sent)] * 2
    sim.faults.remove(fault_id)
    assert echoes(queue, request_id) == [sent, sent], "the request itself is not changed"


def test_rehosted_echo(sim: Simulator, queue: Queue, sent: dict[str, Any]) -> None:
    request_id = queue.submit(**sent)
    sim.faults.add("echo-rehosted")
    by_id, in_list = echoes(queue, request_id)
    assert by_id == in_list
    assert by_id["image"].startswith("https://cdn.gmi.example/inputs/")
    assert by_id["image"].endswith(".jpg")
    assert (by_id["prompt"], by_id["duration"]) == (sent["prompt"], "5")
    other = queue.submit(**(sent | {"image": queue.upload(picture(), "jpg", "image/jpg")}))
    assert echoes(queue, other)[0]["image"] != by_id["image"]


def test_only_in_the_list_or_only_by_id(sim: Simulator, queue: Queue, sent: dict[str, Any]) -> None:
    request_id = queue.submit(**sent)
    fault_id = sim.faults.add("echo-empty", call="GET /requests")
    assert echoes(queue, request_id) == [sent, {}]
    sim.faults.remove(fault_id)
    sim.faults.add("echo-empty", call="GET /requests/{id}")
    assert echoes(queue, request_id) == [{}, sent]


@pytest.mark.parametrize("selector", ["request_id", "contains"])
def test_only_one_request_is_redacted(
    sim: Simulator, queue: Queue, sent: dict[str, Any], selector: str
) -> None:
    ours, other = queue.submit(**sent), queue.submit(**(sent | {"prompt": "another prompt"}))
    sim.faults.add(
        "echo-redacted", times=9, **{selector: ours if selector == "request_id" else "a long prompt"}
    )
    assert echoes(queue, ours) == [sent | {"image": "***"}] * 2
    assert echoes(queue, other) == [sent | {"prompt": "another prompt"}] * 2


def test_several_at_once(sim: Simulator, queue: Queue, sent: dict[str, Any]) -> None:
    request_id = queue.submit(**sent)
    sim.faults.add("echo-without-field")
    sim.faults.add("echo-cut", length=5)
    sim.faults.add("echo-extra")
    assert echoes(queue, request_id)[0] == {"prompt": "a lon", "duration": "5"} | EXTRA


@given(payload=PAYLOADS, length=st.integers(0, 20), field=st.text(max_size=12))
def test_no_payload_is_changed_in_place(payload: dict[str, Any], length: int, field: str) -> None:
    before = repr(payload)
    for change in (
        record_faults.empty,
        record_faults.absent,
        record_faults.extra,
        record_faults.rehosted,
        lambda record: record_faults.cut(record, length=length),
        lambda record: record_faults.without_field(record, field=field),
        lambda record: record_faults.redacted(record, field=field),
    ):
        change({"payload": payload})
    assert repr(payload) == before


@given(payload=PAYLOADS, length=st.integers(0, 20))
def test_cut_echo_has_the_same_fields_and_no_longer_text(payload: dict[str, Any], length: int) -> None:
    record = {"payload": payload}
    record_faults.cut(record, length=length)

    def same_shape(sent: Any, echoed: Any) -> bool:
        if isinstance(sent, dict):
            return list(sent) == list(echoed) and all(same_shape(sent[name], echoed[name]) for name in sent)
        if isinstance(sent, list):
            return len(sent) == len(echoed) and all(map(same_shape, sent, echoed))
        return bool(echoed == sent[:length]) if isinstance(sent, str) else bool(echoed == sent)

    assert same_shape(payload, record["payload"])
