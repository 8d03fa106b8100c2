"""GMI's own SDK, as it is on PyPI, works against the simulator once its base URL points there."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.simulator import Simulator
from tests.simulator.client import GOOD, MODEL, Queue


@pytest.fixture
def manager(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK's video manager, logged in; nothing of it is changed but the address in its configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))  # the SDK keeps its refresh token there
    for module in ("_iam_client", "_video_client"):
        loaded = importlib.import_module(f"gmicloud._internal._client.{module}")
        monkeypatch.setattr(loaded, "IAM_SERVICE_BASE_URL", f"{sim.base_url}/api/v1")
    from gmicloud import Client  # type: ignore[import-untyped]

    return Client(email="ann@example.com", password=sim.api_key).video_manager


def submission(**payload: Any) -> Any:
    from gmicloud._internal._models import SubmitRequestRequest  # type: ignore[import-untyped]

    return SubmitRequestRequest(model=MODEL, payload=GOOD | payload)


def finished(manager: Any, request_id: str) -> Any:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        detail = manager.get_request_detail(request_id)
        if detail.status.value in ("success", "failed"):
            return detail
        time.sleep(0.02)
    raise AssertionError(f"{request_id} is not finished")


def test_sdk_submits_and_waits(sim: Simulator, manager: Any) -> None:
    created = manager.create_request(submission(duration="3"))
    assert created.status.value in ("queued", "dispatched")
    assert (created.model, created.created_at) == (MODEL, created.queued_at)
    detail = finished(manager, created.request_id)
    assert detail.status.value == "success"
    assert detail.outcome["media_urls"][0]["url"].endswith(".mp4")
    assert (detail.org_id, detail.payload["duration"]) == ("org-simulator", "3")
    assert [entry.request_id for entry in sim.ledger()] == [created.request_id]


def test_sdk_lists(manager: Any) -> None:
    ids = [manager.create_request(submission()).request_id for _ in range(2)]
    assert [request.request_id for request in manager.get_requests(MODEL)] == ids[::-1]
    assert manager.get_requests("kling-v3-omni") is None


def test_sdk_reads_the_catalog(manager: Any) -> None:
    model = manager.get_model_detail(MODEL)
    assert (model.model, model.model_type, model.price_info.price) == (MODEL, "video", 168_000)
    assert model.price_info.unit == "second"
    assert MODEL in {model.model for model in manager.get_models()}


def test_sdk_reads_errors(sim: Simulator, manager: Any) -> None:
    refused = manager.create_request(submission(duration="99"))
    assert refused == {"code": " 400", "error": "invalid payload parameters"}
    sim.faults.add("deadline-exceeded")
    assert manager.create_request(submission()) == {"code": " 500", "error": "context deadline exceeded"}


def test_sdk_renews_its_session(manager: Any) -> None:
    manager.iam_client._access_token = "expired"
    refused = manager.get_models()
    assert "401" in refused["code"]
    manager.iam_client.refresh_token()
    assert {model.model for model in manager.get_models()} >= {MODEL}


def test_sdk_with_an_api_key(sim: Simulator) -> None:
    """The same calls below `/apikey`, with a key for a token, as the video API's page documents them."""
    from gmicloud._internal._client._iam_client import IAMClient  # type: ignore[import-untyped]
    from gmicloud._internal._client._video_client import VideoClient  # type: ignore[import-untyped]

    iam = IAMClient("gmisdk", "ann@example.com", "password")
    iam._access_token = sim.api_key
    client = VideoClient(iam)
    client.client.base_url = f"{sim.base_url}/api/v1/ie/requestqueue/apikey"
    created = client.create_request(submission())
    assert finished(client, created.request_id).status.value == "success"
    assert [request.request_id for request in client.get_requests(MODEL)] == [created.request_id]


def test_console_requests_are_listed_but_404_by_id(queue: Queue, manager: Any) -> None:
    request_id = manager.create_request(submission()).request_id
    assert manager.get_request_detail(request_id).request_id == request_id
    assert queue.call("GET", f"/requests/{request_id}").status_code == 404
    assert queue.list(model_id=MODEL)["requests"][0]["request_id"] == request_id


@pytest.mark.parametrize("password", ["", "wrong"])
def test_console_refuses_a_wrong_password(sim: Simulator, password: str) -> None:
    stranger = Queue(sim.base_url, None)
    answer = stranger.session.post(
        f"{sim.base_url}/api/v1/me/auth-tokens", json={"password": password}, timeout=5
    )
    assert answer.status_code == 401


def test_console_takes_no_api_key_and_no_forged_token(sim: Simulator, manager: Any) -> None:
    good = manager.iam_client.get_access_token()
    head, claims, signature = good.split(".")
    refresh = manager.iam_client.get_refresh_token()
    for token in (sim.api_key, "", "a.b.c", f"{head}.{claims}.", f"{head}.x{claims}.{signature}", refresh):
        stranger = Queue(sim.base_url, token)
        url = f"{sim.base_url}/api/v1/ie/requestqueue/requests"
        assert stranger.session.get(url, timeout=5).status_code == 401
