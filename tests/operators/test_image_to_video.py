"""The operator against the simulator over real HTTP: what is bought, and what is found again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.simulator import Simulator
from kling_airflow.simulator.settings import Account
from tests.airflow_context import TaskStateStore, connect, context
from tests.tasks import ask, posts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TURBO = "kling-3.0-turbo-i2v"
POOR = Account(key="poor-key", name="poor", organization="org-poor", credit_usd=0.5)
RICH = Account(key="rich-key", name="rich")


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(speed=600, render="fast", accounts=(RICH, POOR), submit_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    running.reset()
    connect(monkeypatch, running.base_url, running.api_key)
    monkeypatch.setattr("kling_airflow.submission.submit.FIRST_BACKOFF", 0.01)
    return running


@pytest.fixture
def hubble(frames: Path) -> str:
    return (frames / "hubble_deep_field.jpg").as_uri()


def operator(image: str, **fields: Any) -> KlingImageToVideoOperator:
    return KlingImageToVideoOperator(**({"task_id": "submit", "image": image, "prompt": "rise"} | fields))


class TestSubmitting:
    def test_it_returns_the_request_id(self, simulator: Simulator, rocket: str, hubble: str) -> None:
        given = context()
        request_id = operator(rocket, image_tail=hubble, duration="3", sound="True").execute(given)

        (entry,) = simulator.ledger()
        assert entry.request_id == request_id
        assert entry.amount_microusd == 756_000
        assert given["ti"].xcoms["request_id"] == request_id
        assert given["ti"].xcoms["request_link"] == simulator.base_url

    def test_the_id_is_logged_at_once(
        self, simulator: Simulator, rocket: str, logged: Callable[[], str]
    ) -> None:
        request_id = operator(rocket).execute(context())
        said = logged()
        assert f"Submitted: request {request_id}: kling-v3-image-to-video, 5 s, " in said
        assert "$0.84. If its id is lost, its marker finds it in the list: http" in said

    def test_frames_are_uploaded_so_that_the_request_can_be_found(
        self, simulator: Simulator, rocket: str
    ) -> None:
        operator(rocket).execute(context())
        assert simulator.calls()["PUT upload"] == 1

    @pytest.mark.parametrize("delivery", ["upload", "base64"])
    def test_other_deliveries(self, simulator: Simulator, rocket: str, delivery: str) -> None:
        operator(rocket, image_delivery=delivery).execute(context())
        assert simulator.calls().get("PUT upload", 0) == (delivery == "upload")
        assert len(simulator.ledger()) == 1

    def test_a_url_is_passed_on(self, simulator: Simulator, rocket: str) -> None:
        from kling_airflow.gmi.client import GMIClient

        client = GMIClient(simulator.api_key, simulator.base_url)
        with as_file(files("kling_airflow.demo") / "frames" / "rocket.jpg") as path:
            url = client.upload(path.read_bytes(), "jpeg")
        request_id = operator(url, image_delivery="url").execute(context())
        assert client.get(request_id).payload["image"] == url
        assert simulator.calls()["PUT upload"] == 1, "only the test's own"

    def test_a_queue_without_uploads_gets_base64(
        self, simulator: Simulator, rocket: str, logged: Callable[[], str]
    ) -> None:
        simulator.faults.add("http-error", call="POST /upload-url", status=404, message="not found", times=99)
        operator(rocket).execute(context())
        assert "takes no uploads" in logged()
        assert len(simulator.ledger()) == 1

    def test_not_now_is_sent_again(self, simulator: Simulator, rocket: str) -> None:
        simulator.faults.add("rate-limited", call="POST /requests", times=2)
        simulator.faults.add("capacity", skip=2)
        operator(rocket).execute(context())
        assert posts(simulator) == 4
        assert len(simulator.ledger()) == 1

    def test_not_now_for_too_long_is_for_the_next_try(self, simulator: Simulator, rocket: str) -> None:
        simulator.faults.add("rate-limited", call="POST /requests", retry_after=3600)
        store = TaskStateStore()
        with pytest.raises(exceptions.NotAccepted, match=r"rate limit.*No money was spent"):
            operator(rocket).execute(context(store))
        operator(rocket).execute(context(store))
        assert len(simulator.ledger()) == 1


class TestOnce:
    def test_a_retry_returns_what_was_bought(self, simulator: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        given = context(store)
        assert operator(rocket).execute(given) == first
        assert given["ti"].xcoms["request_id"] == first
        assert posts(simulator) == 1

    def test_a_retry_returns_it_when_it_is_done(self, simulator: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        _until_done(simulator, first)
        assert operator(rocket).execute(context(store)) == first
        assert posts(simulator) == 1

    def test_a_moved_frame_is_the_same_frame(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        from urllib.parse import urlsplit

        store = TaskStateStore()
        copy = tmp_path / "elsewhere.jpg"
        shutil.copy(urlsplit(rocket).path, copy)
        assert operator(rocket).execute(context(store)) == operator(copy.as_uri()).execute(context(store))

    @pytest.mark.parametrize(
        "changed",
        [{"prompt": "fall"}, {"duration": 6}, {"sound": True}, {"take": 2}, {"negative_prompt": "rain"}],
    )
    def test_another_order_is_another_clip(
        self, simulator: Simulator, rocket: str, changed: dict[str, Any]
    ) -> None:
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        assert operator(rocket, **changed).execute(context(store)) != first
        assert operator(rocket).execute(context(store)) == first, "the first is still there"
        assert posts(simulator) == 2

    def test_a_failed_generation_is_submitted_anew_as_it_was_not_billed(
        self, simulator: Simulator, rocket: str
    ) -> None:
        store = TaskStateStore()
        simulator.fail_next("content policy")
        first = operator(rocket).execute(context(store))
        _until_done(simulator, first)
        second = operator(rocket).execute(context(store))
        assert second != first
        assert [entry.billed for entry in simulator.ledger()].count(True) <= 1

    def test_a_queue_that_is_down_does_not_make_a_retry_buy(
        self, simulator: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kling_airflow.gmi.retries.Retries.wait", lambda *_: 0.0)
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        simulator.faults.add("bad-gateway", call="GET /requests/{id}", times=99)
        assert operator(rocket).execute(context(store)) == first
        assert posts(simulator) == 1

    @pytest.mark.parametrize(
        "fault", ["reset-after", "deadline-exceeded-created", "bad-gateway-created", "without-request-id"]
    )
    @pytest.mark.parametrize("delivery", ["upload", "base64"])
    def test_a_lost_request_is_found_by_its_marker(
        self, simulator: Simulator, rocket: str, fault: str, delivery: str, logged: Callable[[], str]
    ) -> None:
        simulator.faults.add(fault, call="POST /requests")
        request_id = operator(rocket, image_delivery=delivery).execute(context())
        (entry,) = simulator.ledger()
        assert entry.request_id == request_id
        assert "Adopted request" in logged()

    def test_a_crash_before_the_id_was_stored_is_mended_by_the_next_try(
        self, simulator: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = TaskStateStore()
        with monkeypatch.context() as patch:
            patch.setattr("kling_airflow.submission.ledger_access.LedgerAccess.store_id", _die)
            with pytest.raises(KeyboardInterrupt):
                operator(rocket).execute(context(store))
        (entry,) = simulator.ledger()
        assert operator(rocket).execute(context(store)) == entry.request_id
        assert posts(simulator) == 1

    def test_a_replaced_try_sends_nothing(self, simulator: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        store.stale = True
        with pytest.raises(RuntimeError, match="replaced"):
            operator(rocket).execute(context(store))
        assert posts(simulator) == 0

    def test_an_unreadable_record_sends_nothing(self, simulator: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        operator(rocket).execute(context(store))
        (key,) = store.records
        store.values[key] = '{"version": 99}'
        with pytest.raises(exceptions.UnresolvedSubmission, match="99"):
            operator(rocket).execute(context(store))
        assert posts(simulator) == 1

    def test_without_a_ledger_every_run_buys(self, simulator: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        for _ in range(2):
            operator(rocket, durable=False).execute(context(store))
        assert posts(simulator) == 2
        assert store.values == {}

    def test_the_record_holds_no_secret_and_no_frame(self, simulator: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        operator(rocket, image_delivery="base64").execute(context(store))
        (record,) = store.records.values()
        assert simulator.api_key not in record
        assert len(record) < 1000

    def test_an_id_that_can_not_be_written_down_is_in_the_error(
        self, simulator: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kling_airflow.submission.ledger_access.STORE_ID_TIMEOUT", 0.0)
        store = _ForgetsIds()
        with pytest.raises(exceptions.UnresolvedSubmission) as caught:
            operator(rocket).execute(context(store))
        (entry,) = simulator.ledger()
        assert entry.request_id in str(caught.value)


class TestRemembering:
    """What was bought before is never spoken of as unspent, and never lost for what is wrong now."""

    def test_a_missing_frame_does_not_read_as_no_money_spent(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        from urllib.parse import urlsplit

        store = TaskStateStore()
        frame = tmp_path / "staged.jpg"
        shutil.copy(urlsplit(rocket).path, frame)
        request_id = operator(frame.as_uri()).execute(context(store))
        frame.unlink()
        with pytest.raises(exceptions.UnresolvedSubmission) as caught:
            operator(frame.as_uri()).execute(context(store))
        assert request_id in str(caught.value)
        assert "No money was spent" not in str(caught.value)
        shutil.copy(urlsplit(rocket).path, frame)
        assert operator(frame.as_uri()).execute(context(store)) == request_id

    def test_a_lower_limit_does_not_hide_what_was_bought(self, simulator: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        request_id = operator(rocket).execute(context(store))
        templated = operator(rocket, max_cost_usd="{{ limit }}")
        templated.render_template_fields({"limit": 0.1})
        assert templated.execute(context(store)) == request_id

    def test_a_url_that_can_not_be_read_this_time_is_the_same_order(
        self, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from kling_airflow.errors import DownloadFailed
        from kling_airflow.gmi.client import GMIClient

        with as_file(files("kling_airflow.demo") / "frames" / "rocket.jpg") as path:
            url = GMIClient(simulator.api_key, simulator.base_url).upload(path.read_bytes(), "jpeg")
        store = TaskStateStore()
        request_id = operator(f"{url}?signature=1", image_delivery="url").execute(context(store))

        def fail(*_: Any, **__: Any) -> bytes:
            raise DownloadFailed("503")

        monkeypatch.setattr("kling_airflow.hooks.frame_source.read_frame", fail)
        again = operator(f"{url}?signature=2", image_delivery="url").execute(context(store))
        assert again == request_id
        assert posts(simulator) == 1


class TestKling3Turbo:
    """Another model of the same operator, by its entry in the table of models."""

    def test_end_to_end(self, simulator: Simulator, rocket: str) -> None:
        made = operator(
            rocket, model=TURBO, prompt=None, resolution="1080p", duration=5, max_cost_usd=0.7,
            wait_for_completion=True, deferrable=False, poll_interval=0.01,
        )  # fmt: skip
        clip = made.execute(context())
        (entry,) = simulator.ledger()
        assert entry.amount_microusd == 700_000
        assert (clip["request_id"], clip["model"], clip["cost_usd"]) == (entry.request_id, TURBO, 0.7)
        assert (clip["duration"], clip["sound"]) == (5, False)
        payload = ask(simulator, entry.request_id).payload
        assert set(payload) == {"first_frame", "duration", "resolution"}
        assert payload["resolution"] == "1080p"

    def test_a_lost_request_is_found_by_its_marker(self, simulator: Simulator, rocket: str) -> None:
        simulator.faults.add("reset-after", call="POST /requests")
        request_id = operator(rocket, model=TURBO).execute(context())
        assert [entry.request_id for entry in simulator.ledger()] == [request_id]

    def test_another_model_is_another_order(self, simulator: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        assert operator(rocket).execute(context(store)) != operator(rocket, model=TURBO).execute(
            context(store)
        )

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"sound": True}, ["`sound` is given", "it has image, prompt, duration, resolution"]),
            ({"negative_prompt": "rain"}, ["`negative_prompt` is given", "it has image, prompt"]),
            ({"image_tail": "s3://b/end.png"}, ["`image_tail` is given", "it has image, prompt"]),
            ({"resolution": "4k"}, ["`resolution` is '4k'", "720p, 1080p"]),
            ({"max_cost_usd": 0.5}, ["max_cost_usd", "0.5", "$0.56"]),
        ],
    )
    def test_what_the_model_does_not_take_is_refused_when_the_dag_is_parsed(
        self, fields: dict[str, Any], words: list[str]
    ) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            operator("s3://b/start.png", model=TURBO, **fields)
        for word in [*words, "No money was spent"]:
            assert word in str(caught.value)
        assert "first_frame" not in str(caught.value)

    def test_a_templated_model_is_checked_when_the_task_runs(self, simulator: Simulator, rocket: str) -> None:
        made = operator(rocket, model="{{ model }}", sound="{{ sound }}")
        made.render_template_fields({"model": TURBO, "sound": True})
        with pytest.raises(exceptions.InvalidArgument, match=r"`sound` is given.*it has image"):
            made.execute(context())
        assert posts(simulator) == 0


class TestWhenTheDagIsParsed:
    """A literal mistake is an import error of the DAG, before any task runs."""

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"duration": 20}, ["duration", "20", "3 to 15"]),
            ({"prompt": ""}, ["prompt", "empty"]),
            ({"prompt": None}, ["`prompt` is missing"]),
            ({"model": "kling-v9"}, ["'kling-v9'", "kling-3.0-turbo-i2v"]),
            ({"resolution": "1080p"}, ["`resolution` is given", "it has image, image_tail, prompt"]),
            ({"max_cost_usd": 0.5}, ["max_cost_usd", "0.5", "$0.84"]),
            ({"execution_timeout": timedelta(seconds=60)}, ["execution_timeout", "60", "180"]),
            ({"poll_interval": "soon"}, ["poll_interval", "'soon'"]),
            ({"on_changed_request": "shrug"}, ["on_changed_request", "'shrug'"]),
        ],
    )
    def test_a_literal_mistake(self, fields: dict[str, Any], words: list[str]) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            operator("s3://b/start.png", **fields)
        for word in words:
            assert word in str(caught.value)

    @pytest.mark.parametrize("name", ["prompt", "model", "duration", "sound", "max_cost_usd", "resolution"])
    def test_a_template_is_not_judged(self, name: str) -> None:
        """Asserts that no error is raised: the value is known only when the task runs."""
        operator("s3://b/start.png", **{name: "{{ params.value }}"})


class TestRefusing:
    """Whatever is wrong is found before a submission, and named."""

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"prompt": ""}, ["prompt", "empty"]),
            ({"prompt": "x" * 2501}, ["prompt", "2501", "2500"]),
            ({"negative_prompt": "x" * 2501}, ["negative_prompt", "2501"]),
            ({"duration": 2}, ["duration", "2", "3 to 15"]),
            ({"duration": 16}, ["duration", "16", "3 to 15"]),
            ({"duration": "long"}, ["duration", "'long'"]),
            ({"sound": "loud"}, ["sound", "'loud'"]),
            ({"image": ""}, ["image", "URI"]),
            ({"image": None}, ["image", "None"]),
            ({"image": "rocket.jpg"}, ["image", "rocket.jpg", "no scheme"]),
            ({"image": "unknown://bucket/a.jpg"}, ["image", "unknown"]),
            ({"image": "data:image/png;base64,AAAA"}, ["image", "data:"]),
            ({"image_tail": "data:image/png;base64,AAAA"}, ["image_tail", "data:"]),
            ({"image": "file:///no/such/frame.jpg"}, ["image", "/no/such/frame.jpg"]),
            ({"image_delivery": "post"}, ["image_delivery", "'post'", "upload"]),
            ({"take": 0}, ["take", "0"]),
            ({"take": "two"}, ["take", "'two'"]),
            ({"max_cost_usd": "cheap"}, ["max_cost_usd", "'cheap'"]),
            ({"max_cost_usd": 1.2, "sound": True}, ["max_cost_usd", "1.2", "$1.26"]),
            ({"execution_timeout": timedelta(seconds=60)}, ["execution_timeout", "60", "180"]),
        ],
    )
    def test_bad_input(
        self, simulator: Simulator, rocket: str, fields: dict[str, Any], words: list[str]
    ) -> None:
        with pytest.raises(exceptions.AirflowFailException) as caught:
            operator(**({"image": rocket} | fields)).execute(context())
        for word in words:
            assert word in str(caught.value)
        assert simulator.ledger() == []
        assert posts(simulator) == 0

    @pytest.mark.parametrize(
        ("size", "words"), [((299, 400), ["299", "300"]), ((1600, 300), ["2.5"]), ((300, 1600), ["2.5"])]
    )
    def test_a_frame_of_the_wrong_size(
        self, simulator: Simulator, tmp_path: Path, size: tuple[int, int], words: list[str]
    ) -> None:
        from PIL import Image

        path = tmp_path / "frame.png"
        Image.new("RGB", size).save(path)
        with pytest.raises(exceptions.InvalidArgument) as caught:
            operator(path.as_uri()).execute(context())
        for word in ["image", *words]:
            assert word in str(caught.value)
        assert posts(simulator) == 0

    def test_a_frame_that_is_too_large(self, simulator: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "frame.jpg"
        path.write_bytes(b"\xff\xd8\xff" + b"x" * 10_000_001)
        with pytest.raises(exceptions.AirflowFailException, match="10,000,000"):
            operator(path.as_uri()).execute(context())
        assert posts(simulator) == 0

    def test_a_file_that_is_no_image(self, simulator: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "frame.jpg"
        path.write_text("not an image")
        with pytest.raises(exceptions.InvalidArgument, match=r"image.*not a readable"):
            operator(path.as_uri()).execute(context())
        assert posts(simulator) == 0

    def test_a_wrong_key(self, simulator: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, simulator.base_url, "wrong-key")
        for delivery in ("auto", "base64"):
            with pytest.raises(exceptions.Unauthorized):
                operator(rocket, image_delivery=delivery).execute(context())
        assert posts(simulator) == 0

    def test_a_connection_that_is_not_there(self, rocket: str) -> None:
        with pytest.raises(exceptions.Unauthorized, match="`nowhere`"):
            operator(rocket, gmi_conn_id="nowhere").execute(context())

    def test_missing_credit(self, simulator: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, simulator.base_url, POOR.key)
        with pytest.raises(exceptions.InsufficientCredits, match=r"Insufficient credits.*No money was spent"):
            operator(rocket).execute(context())
        assert simulator.ledger() == []

    def test_a_refused_payload(self, simulator: Simulator, rocket: str) -> None:
        words = "Generation rejected; please review the prompt and parameters then retry"
        simulator.faults.add("http-error", call="POST /requests", status=400, message=words)
        with pytest.raises(exceptions.Rejected, match="review the prompt"):
            operator(rocket).execute(context())
        assert posts(simulator) == 1

    def test_an_airflow_without_a_store(self, simulator: Simulator, rocket: str) -> None:
        given = context()
        given["task_state_store"] = None
        with pytest.raises(exceptions.InvalidArgument, match="durable=False"):
            operator(rocket).execute(given)
        assert posts(simulator) == 0


def test_everything_a_user_would_template_is_a_template_field() -> None:
    made = operator("s3://b/a.jpg")
    assert set(made.template_fields) >= {
        "image", "image_tail", "prompt", "negative_prompt", "duration", "sound", "max_cost_usd", "take",
        "image_delivery", "gmi_conn_id",
    }  # fmt: skip
    for name in made.template_fields:
        assert hasattr(made, name)


def _die(*_: Any) -> None:
    raise KeyboardInterrupt


class _ForgetsIds(TaskStateStore):
    """A store that goes away right after the submission."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        if isinstance(value, dict) and value["state"] == "submitted":
            raise ConnectionError("the API server is gone")
        super().set(key, value, retention=retention)


def _until_done(simulator: Simulator, request_id: str) -> None:
    from kling_airflow.gmi.client import GMIClient

    with GMIClient(simulator.api_key, simulator.base_url) as client:
        while not client.get(request_id).status.terminal:
            pass
