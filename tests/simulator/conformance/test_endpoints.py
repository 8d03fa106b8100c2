"""Section "Endpoints" of the wire contract, uploads apart."""

from __future__ import annotations

import pytest
import requests

from kling_airflow.simulator import Account, ManualClock, Simulator
from tests.simulator.client import GOOD, MODEL, QUEUE, Queue, message
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Slow, Started


@row("The queue's root is `/api/v1/ie/requestqueue/apikey` below the base URL", "doc")
def test_root_of_the_queue(queue: Queue) -> None:
    assert queue.session.get(queue.base_url + QUEUE + "/models", timeout=5).status_code == 200


@row("Paths are case-sensitive, and have no trailing slash", "seen")
@pytest.mark.parametrize("path", ["/Requests", "/MODELS", "/requests/", "/Upload-Url", "/models/"])
def test_paths_are_case_sensitive(queue: Queue, path: str) -> None:
    assert queue.call("GET", path, allow_redirects=False).status_code == 404


@row("Model ids are case-sensitive", "seen")
def test_model_ids_are_case_sensitive(queue: Queue) -> None:
    assert queue.call("GET", f"/models/{MODEL.upper()}").status_code == 404
    assert queue.post(GOOD, MODEL.capitalize()).status_code == 404


@row("`Authorization: Bearer <key>`", "doc")
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic {key}", "{key}", "bearer {key}", "Bearer {key}x"]
)
def test_bearer_key(sim: Simulator, header: str) -> None:
    stranger = Queue(sim.base_url, None, Authorization=header.format(key=sim.api_key))
    for method, path in (
        ("GET", "/requests"),
        ("POST", "/requests"),
        ("GET", "/models"),
        ("POST", "/upload-url"),
    ):
        assert stranger.call(method, path).status_code == 401
    assert Queue(sim.base_url, sim.api_key).call("GET", "/requests").status_code == 200


@row("`X-Organization-ID` is optional, and has to be one of the key's", "doc")
def test_organization_header(sim: Simulator) -> None:
    assert Queue(sim.base_url, sim.api_key).call("GET", "/requests").status_code == 200
    right = Queue(sim.base_url, sim.api_key, **{"X-Organization-ID": "org-simulator"})
    assert right.call("GET", "/requests").status_code == 200
    wrong = Queue(sim.base_url, sim.api_key, **{"X-Organization-ID": "org-of-others"})
    assert wrong.call("GET", "/requests").status_code == 403


@row("A key of several organizations works for each of them, as the header says", "doc")
def test_key_of_several_organizations(started: Started) -> None:
    accounts = [Account(key="k", name=name, organization=name) for name in ("one", "two")]
    simulator, queue = started(accounts=accounts)
    two = Queue(simulator.base_url, "k", **{"X-Organization-ID": "two"})
    assert (queue.get(queue.submit())["org_id"], two.get(two.submit())["org_id"]) == ("one", "two")
    assert queue.list(model_id=MODEL)["total"] == two.list(model_id=MODEL)["total"] == 1
    three = Queue(simulator.base_url, "k", **{"X-Organization-ID": "three"})
    assert three.call("GET", "/requests").status_code == 403


@row("`POST /requests` submits", "doc")
def test_post_requests_submits(sim: Simulator, queue: Queue) -> None:
    request_id = queue.submit()
    assert [entry.request_id for entry in sim.ledger()] == [request_id]


@row("`GET /requests/{id}` is status and result", "doc")
def test_get_request_by_id(queue: Queue) -> None:
    request_id = queue.submit()
    assert queue.get(request_id)["request_id"] == request_id
    assert queue.finished(request_id)["outcome"]["media_urls"]


@row("`GET /requests?model_id=M` lists the requests of one model", "doc")
def test_list_by_model(queue: Queue) -> None:
    still = queue.submit()
    text = queue.submit("kling-v3-text-to-video", prompt="p")
    assert [r["request_id"] for r in queue.list(model_id=MODEL)["requests"]] == [still]
    assert [r["request_id"] for r in queue.list(model_id="kling-v3-text-to-video")["requests"]] == [text]
    assert queue.list(model_id="kling-v3-omni")["requests"] == []


@row("A list is `requests`, `total`, `has_more`", "doc")
def test_list_keys_and_total(queue: Queue) -> None:
    ids = [queue.submit() for _ in range(3)]
    page = queue.list(model_id=MODEL, limit=2)
    assert set(page) == {"requests", "total", "has_more"}
    assert page["total"] == len(ids)


@row("A list is newest first", "once")
def test_list_newest_first(slow: Slow) -> None:
    _, queue, clock = slow
    ids = []
    for _ in range(3):
        ids.append(queue.submit())
        clock.advance(1)
    assert [r["request_id"] for r in queue.list(model_id=MODEL)["requests"]] == ids[::-1]


@row("`limit` and `offset` page through it, `has_more` says whether there is another page", "once")
def test_list_pages(queue: Queue) -> None:
    ids = [queue.submit() for _ in range(5)]
    pages = [queue.list(model_id=MODEL, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    shown = [[r["request_id"] for r in page["requests"]] for page in pages]
    assert shown == [ids[:2:-1], ids[2:0:-1], ids[:1], []]
    assert [page["has_more"] for page in pages] == [True, True, False, False]


@row("A page has at most 100 rows", "assumed")
def test_list_pages_of_100(queue: Queue) -> None:
    ids = [queue.submit("inworld-tts-1.5-max", text="t") for _ in range(101)]
    page = queue.list(model_id="inworld-tts-1.5-max", limit=1000)
    assert [r["request_id"] for r in page["requests"]] == ids[:0:-1]
    assert page["has_more"] is True


@row("Rows of the list are records", "seen")
def test_list_rows_are_records(queue: Queue) -> None:
    request_id = queue.submit()
    record = queue.finished(request_id)
    assert queue.list(model_id=MODEL)["requests"] == [record]


@row("Whether the list's rows carry outcomes is an option (`list_outcomes`)", "assumed")
def test_list_without_outcomes(started: Started) -> None:
    _, queue = started(list_outcomes=False)
    request_id = queue.submit()
    assert queue.finished(request_id)["outcome"]
    (listed,) = queue.list(model_id=MODEL)["requests"]
    assert (listed["status"], listed["outcome"]) == ("success", None)


@row(
    "Whether the list needs `model_id` is an option (`list_needs_model`): without it 200 and empty", "assumed"
)
def test_list_needs_model(started: Started) -> None:
    _, queue = started(list_needs_model=True)
    queue.submit()
    assert queue.list() == {"requests": [], "total": 0, "has_more": False}
    assert queue.list(model_id=MODEL)["total"] == 1


@row("How far the list lags behind is an option (`list_lag_seconds`)", "assumed")
def test_list_lags(started: Started) -> None:
    clock = ManualClock()
    _, queue = started(clock=clock, speed=1, submit_seconds=0, generation_seconds=10, list_lag_seconds=30)
    request_id = queue.submit()
    assert queue.list(model_id=MODEL) == {"requests": [], "total": 0, "has_more": False}
    clock.advance(31)
    assert queue.finished(request_id)["status"] == "success"
    (listed,) = queue.list(model_id=MODEL)["requests"]
    assert listed["status"] in ("created", "queued", "dispatched", "processing")
    assert listed["outcome"] is None
    clock.advance(30)
    assert queue.list(model_id=MODEL)["requests"][0]["status"] == "success"


@row(
    "The list can be sorted otherwise, have a pinned row, or come from a cache (faults `list-...`)", "assumed"
)
def test_other_lists(slow: Slow) -> None:
    simulator, queue, clock = slow
    ids = []
    for _ in range(3):
        ids.append(queue.submit())
        clock.advance(1)
    for fault, expected in (
        ("list-sorted", ids),
        ("list-pinned", [ids[0], ids[2], ids[1]]),
        ("list-cached", ids[::-1]),
    ):
        fault_id = simulator.faults.add(fault)
        if fault == "list-cached":
            clock.advance(1)
            queue.submit()
        assert [r["request_id"] for r in queue.list(model_id=MODEL)["requests"]] == expected
        simulator.faults.remove(fault_id)


@row("`GET /requests` without a query is a cheap authentication check: 200, or 401/403", "seen")
def test_list_without_a_query_checks_the_key(sim: Simulator, queue: Queue) -> None:
    assert queue.call("GET", "/requests").status_code == 200
    assert Queue(sim.base_url, "wrong").call("GET", "/requests").status_code == 401
    foreign = Queue(sim.base_url, sim.api_key, **{"X-Organization-ID": "other"})
    assert foreign.call("GET", "/requests").status_code == 403


@row('`GET /models` is `{"model_ids": [...]}`', "doc")
def test_models(queue: Queue) -> None:
    models = queue.call("GET", "/models").json()
    assert set(models) == {"model_ids"}
    named = {MODEL, "kling-v3-text-to-video", "kling-3.0-turbo-i2v", "kling-v3-omni"}
    assert named <= set(models["model_ids"])


@row("`GET /models/{id}` has the model's parameters", "doc")
def test_model_parameters(queue: Queue) -> None:
    model = queue.call("GET", f"/models/{MODEL}").json()
    expected = {
        "model", "org_id", "status", "model_type", "delivery_mode", "brief_description", "modalities",
        "parameters", "price_info", "pricing_details",
    }  # fmt: skip
    assert expected <= set(model)
    assert (model["model"], model["model_type"], model["delivery_mode"]) == (MODEL, "video", "async")
    parameters = {parameter["name"]: parameter for parameter in model["parameters"]}
    assert list(parameters) == ["prompt", "image", "image_tail", "negative_prompt", "duration", "sound"]
    assert [name for name in parameters if parameters[name]["required"]] == ["prompt", "image"]
    assert parameters["duration"].pop("description")
    assert parameters["duration"] == {
        "name": "duration", "display_name": "Duration", "type": "enum", "required": False,
        "default_value": "5", "options": [str(n) for n in range(3, 16)], "min_value": None, "max_value": None,
    }  # fmt: skip


@row(
    "`modalities` are objects of `type` and `required`; parameters have `display_name` and `description`",
    "once",
)
def test_modalities(queue: Queue) -> None:
    for model_id in queue.call("GET", "/models").json()["model_ids"]:
        model = queue.call("GET", f"/models/{model_id}").json()
        for side in ("input", "output"):
            assert model["modalities"][side]
            assert all(set(each) == {"type", "required"} for each in model["modalities"][side])
        assert all(p["display_name"] and p["description"] for p in model["parameters"])


@row("`GET /models/{id}` has the price, in micro-dollars a second", "doc")
def test_model_price(queue: Queue) -> None:
    model = queue.call("GET", f"/models/{MODEL}").json()
    assert model["price_info"]["price"] == 168_000
    assert model["price_info"]["unit"] == "second"
    assert model["pricing_details"].startswith("$0.168 per second")


@row("An unknown model of the catalogue is 404", "assumed")
def test_unknown_model_of_the_catalogue(queue: Queue) -> None:
    answer = queue.call("GET", "/models/kling-v99")
    assert (answer.status_code, message(answer)) == (404, "model kling-v99 does not exist")


@row("`DELETE /requests/{id}` cancels", "once")
def test_delete_cancels(slow: Slow) -> None:
    simulator, queue, clock = slow
    request_id = queue.submit()
    clock.advance(20)
    assert queue.call("DELETE", f"/requests/{request_id}").status_code == 200
    assert queue.get(request_id)["status"] == "cancelled"
    clock.advance(1000)
    assert queue.get(request_id)["status"] == "cancelled"
    assert [(e.outcome, e.billed) for e in simulator.ledger()] == [("cancelled", False)]


@row("A request that has ended can't be cancelled", "assumed")
def test_delete_of_an_ended_request(queue: Queue) -> None:
    request_id = queue.submit()
    queue.finished(request_id)
    assert queue.call("DELETE", f"/requests/{request_id}").status_code == 409
    assert queue.get(request_id)["status"] == "success"


@row("Whether DELETE exists is an option (`cancel`): 404 or 405", "assumed")
@pytest.mark.parametrize("code", [404, 405])
def test_delete_is_refused(started: Started, code: int) -> None:
    _, queue = started(cancel=str(code))
    request_id = queue.submit()
    assert queue.call("DELETE", f"/requests/{request_id}").status_code == code
    assert queue.finished(request_id)["status"] == "success"


@row("Whether cancelled requests are billed is an option (`bill_cancelled`)", "assumed")
def test_cancelled_is_billed(started: Started) -> None:
    simulator, queue = started(bill_cancelled=True, generation_seconds=1e9)
    request_id = queue.submit()
    assert queue.call("DELETE", f"/requests/{request_id}").status_code == 200
    assert [(e.outcome, e.amount_usd) for e in simulator.ledger()] == [("cancelled", 0.84)]


@row("The wrong host answers 405, or a page of HTML", "seen")
def test_wrong_host(sim: Simulator) -> None:
    answer = requests.post(sim.base_url + "/somewhere/requests", json={}, timeout=5)
    assert answer.status_code == 405
    page = requests.get(sim.base_url + "/somewhere/requests", timeout=5)
    assert page.headers["content-type"].startswith("text/html")
