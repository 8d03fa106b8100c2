"""The simulator's own calls: ledger, counts, faults over HTTP, metrics, reset, the page."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from PIL import Image

from kling_airflow.simulator import Account, Simulator
from tests.simulator.client import FRAME, GOOD, MODEL, Queue
from tests.simulator.fixture_types import Started


def admin(sim: Simulator, method: str, path: str, **kwargs: Any) -> requests.Response:
    return requests.request(method, f"{sim.base_url}/_simulator{path}", timeout=10, **kwargs)


def test_ledger_over_http_equals_the_python_one(sim: Simulator, queue: Queue) -> None:
    request_id = queue.submit(sound="on")
    queue.clip(queue.finished(request_id))
    (row,) = admin(sim, "GET", "/ledger").json()["requests"]
    (entry,) = sim.ledger()
    assert row == entry.as_dict()
    assert (row["key_name"], row["organization"], row["model"]) == ("default", "org-simulator", MODEL)
    assert (row["billed"], row["amount_usd"], row["outcome"]) == (True, 1.26, "success")
    assert row["calls"]["POST /requests"] == 1
    assert row["calls"]["GET /requests/{id}"] >= 1
    assert row["calls"]["GET media"] == 1
    assert sim.api_key not in json.dumps(row)


def test_payload_digest_is_of_the_canonical_payload(sim: Simulator, queue: Queue) -> None:
    queue.post({"prompt": "ä", "image": FRAME})
    queue.call(
        "POST", "/requests", data=json.dumps({"payload": {"image": FRAME, "prompt": "ä"}, "model": MODEL})
    )
    one, other = sim.ledger()
    canonical = json.dumps(
        {"prompt": "ä", "image": FRAME}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert one.payload_digest == other.payload_digest == hashlib.sha256(canonical.encode()).hexdigest()


def test_calls_are_counted_refused_ones_too(sim: Simulator, queue: Queue) -> None:
    request_id = queue.submit()
    queue.post({})
    queue.get(request_id)
    queue.list()
    Queue(sim.base_url, "wrong").call("GET", "/models")
    queue.call("GET", f"/models/{MODEL}")
    queue.call("POST", "/upload-url", json={"file_type": "png"})
    expected = {
        "POST /requests": 2,
        "GET /requests/{id}": 1,
        "GET /requests": 1,
        "GET /models": 1,
        "GET /models/{id}": 1,
        "POST /upload-url": 1,
    }
    assert sim.calls() == expected == admin(sim, "GET", "/calls").json()


def test_reset_forgets(started: Started) -> None:
    simulator, queue = started(accounts=[Account(key="k", credit_usd=1.0)], faults=[{"name": "list-empty"}])
    url = queue.upload(b"frame", "png", "image/png")
    request_id = queue.submit()
    simulator.faults.clear()
    simulator.faults.add("capacity")
    assert admin(simulator, "POST", "/reset").status_code == 204
    assert (simulator.ledger(), simulator.calls()) == ([], {})
    assert [fault["name"] for fault in simulator.faults.list()] == ["list-empty"]
    assert queue.call("GET", f"/requests/{request_id}").status_code == 404
    assert requests.get(url, timeout=5).status_code == 404
    assert queue.submit(), "credit is back"


def test_faults_over_http(sim: Simulator, queue: Queue) -> None:
    added = admin(sim, "POST", "/faults", json={"name": "rate-limited", "times": 2, "retry_after": 3})
    assert added.status_code == 201
    fault = added.json()
    assert (fault["name"], fault["times"], fault["retry_after"], fault["struck"]) == ("rate-limited", 2, 3, 0)
    assert queue.post({}).headers["retry-after"] == "3"
    content = admin(sim, "GET", "/faults").json()
    assert [(f["id"], f["struck"]) for f in content["faults"]] == [(fault["id"], 1)]
    assert {"name", "strikes", "calls", "about", "options", "fields"} == set(content["types"][0])
    assert admin(sim, "DELETE", f"/faults/{fault['id']}").status_code == 204
    assert admin(sim, "DELETE", f"/faults/{fault['id']}").status_code == 404
    assert queue.post({}).status_code == 400
    admin(sim, "POST", "/faults", json={"name": "capacity"})
    assert admin(sim, "DELETE", "/faults").status_code == 204
    assert sim.faults.list() == []


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"name": "no-such"}', b'{"name": 5}', b'{"name": "failed", "x": 1}']
)
def test_wrong_faults_are_refused(sim: Simulator, body: bytes) -> None:
    answer = admin(sim, "POST", "/faults", data=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert sim.faults.list() == []


def test_metrics(sim: Simulator, queue: Queue) -> None:
    queue.finished(queue.submit())
    sim.faults.add("capacity")
    sim.faults.add("reset-before", skip=1)
    queue.post(GOOD)
    with pytest.raises(requests.ConnectionError):
        queue.post(GOOD)
    answer = admin(sim, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for line in (
        'gmi_simulator_calls_total{call="POST /requests",status="200"} 1',
        'gmi_simulator_calls_total{call="POST /requests",status="503"} 1',
        'gmi_simulator_calls_total{call="POST /requests",status="0"} 1',
        f'gmi_simulator_requests{{model="{MODEL}",status="success"}} 1',
        'gmi_simulator_billed_microusd{organization="org-simulator"} 840000',
        'gmi_simulator_faults_struck_total{fault="capacity"} 1',
        "# TYPE gmi_simulator_calls_total counter",
    ):
        assert line in lines, answer.text


def test_overview_has_what_the_page_shows(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("stuck-queued", contains="runs")  # before it is there: it might be over at once
    running = queue.submit(prompt="runs", image_tail=FRAME)
    done = queue.submit(prompt="done")
    queue.finished(done)
    shown = admin(sim, "GET", "/overview").json()
    newest, older = shown["requests"]
    assert (newest["request_id"], older["request_id"]) == (done, running)
    assert (newest["prompt"], newest["status"], newest["amount_usd"]) == ("done", "success", 0.84)
    assert requests.get(sim.base_url + newest["clip"], timeout=5).headers["content-type"] == "video/mp4"
    assert requests.get(sim.base_url + newest["thumbnail"], timeout=5).status_code == 200
    assert (older["clip"], older["ordered"]) == (None, ["stuck-queued"])
    assert (shown["charged_usd"], shown["held_usd"]) == (0.84, 0.84)
    assert len(older["frames"]) == 2
    assert len(admin(sim, "GET", "/overview", params={"limit": 1}).json()["requests"]) == 1


def test_the_log_says_how_a_request_has_ended(
    sim: Simulator, queue: Queue, logged: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "kling_airflow")
    good = queue.submit()
    queue.finished(good)
    sim.faults.add("failed-content-policy", times=1)
    refused = queue.submit()
    queue.finished(refused)
    line, ends = re.compile(r"(\S+): the request is (.*?)\s*(?:\[kling_airflow|$)", re.MULTILINE), {}
    deadline = time.monotonic() + 20
    while not {good, refused} <= ends.keys() and time.monotonic() < deadline:
        ends |= dict(line.findall(logged()))
    assert ends[good] == "success"
    assert ends[refused].startswith("failed: ")


def test_frames_for_the_page(sim: Simulator, queue: Queue, frame_server: str) -> None:
    inline = queue.submit()
    linked = queue.submit(image=f"{frame_server}/frame.png")
    for request_id in (inline, linked):
        answer = admin(sim, "GET", f"/frames/{request_id}/start")
        assert Image.open(io.BytesIO(answer.content)).size == (320, 320)
        assert admin(sim, "GET", f"/frames/{request_id}/end").status_code == 404
    assert admin(sim, "GET", "/frames/nobody/start").status_code == 404
    assert admin(sim, "GET", f"/frames/{inline}/middle").status_code == 404


def test_page_loads_nothing_from_other_hosts(sim: Simulator) -> None:
    answer = admin(sim, "GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.text.replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in page
    assert "https://" not in page
    assert "innerHTML" not in page, "a prompt must never become HTML"


def test_openapi_has_examples(sim: Simulator) -> None:
    document = requests.get(f"{sim.base_url}/openapi.json", timeout=10).json()
    paths = document["paths"]
    assert "/api/v1/ie/requestqueue/apikey/requests" in paths
    for path, methods in paths.items():
        for method, operation in methods.items():
            if "apikey" in path:
                answer = operation["responses"]["200"]["content"]["application/json"]
                assert answer["example"], (method, path)
            body = operation.get("requestBody")
            if body and "json" in str(body):
                assert body["content"]["application/json"]["example"], (method, path)
