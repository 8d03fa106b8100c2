"""A storyboard in one task, against the simulator over real HTTP: what is bought, landed and reported."""

from __future__ import annotations

import io
import json
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from kling_airflow import exceptions
from kling_airflow.errors import StorageFailed
from kling_airflow.hooks.storage import StoredObject
from kling_airflow.media.film.frames import last_frame
from kling_airflow.media.jpeg_quality import encode_jpeg
from kling_airflow.media.picture_identity import picture_identity
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.simulator import Simulator
from kling_airflow.task.cleared import read_public_frame
from kling_airflow.task.stop import TaskStopped
from kling_airflow.triggers.storyboard import GMICloudStoryboardTrigger
from tests.airflow_context import TaskStateStore, connect, context
from tests.tasks import ask, deferral, finish, posts, resume, signalled, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(speed=600, render="fast", submit_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    running.reset()
    connect(monkeypatch, running.base_url, running.api_key)
    monkeypatch.setattr("kling_airflow.submission.submit.FIRST_BACKOFF", 0.01)
    return running


def shot(rocket: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "frame": rocket, "prompt": f"Rise, {name}.", "duration": 3} | fields


def operator(shots: Any, folder: Path, **fields: Any) -> KlingStoryboardOperator:
    """Return an operator whose looks and pauses take no time."""
    usual: dict[str, Any] = {
        "task_id": "film",
        "poll_interval": 0.01,
        "resubmit_delay": 0,
        "land_every": 0,
        "storyboard": shots,
        "destination": folder.as_uri(),
    }
    return KlingStoryboardOperator(**(usual | fields))


def rows(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in report["shots"]}


def films(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.mp4"))


def billed(simulator: Simulator) -> int:
    return sum(entry.billed for entry in simulator.ledger())


def _stored(data: bytes) -> Callable[[Path], str]:
    def store(folder: Path, /) -> str:
        (folder / "bad.png").write_bytes(data)
        return (folder / "bad.png").as_uri()

    return store


def _png(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).save(buffer, "PNG")
    return buffer.getvalue()


BAD_FRAMES: dict[str, tuple[Callable[[Path], str], str]] = {
    "not there": (lambda folder: (folder / "none.png").as_uri(), "does not exist"),
    "no such host": (lambda folder: "http://no-such-host.invalid/a.png", "no-such-host"),
    "a folder": (lambda folder: folder.as_uri(), "Is a directory"),
    "a page": (_stored(b"<html>Not found</html>"), "HTML"),
    "empty": (_stored(b""), "empty|0 bytes"),
    "too small": (_stored(_png((100, 100))), "at least 300"),
    "cut short": (_stored(_png((640, 360))[:-900]), "ends or is garbled at byte"),
}


class TestOneTask:
    @pytest.mark.parametrize("deferrable", [True, False])
    def test_each_take_is_bought_once_and_landed(
        self, simulator: Simulator, rocket: str, tmp_path: Path, deferrable: bool
    ) -> None:
        shots = [shot(rocket, "launch", takes=2), shot(rocket, "arrival", sound=True)]
        given = context()
        made = operator({"title": "Stars", "shots": shots}, tmp_path, deferrable=deferrable)
        report = finish(made, given)

        assert films(tmp_path) == ["arrival.mp4", "launch.1.mp4", "launch.2.mp4"]
        assert (report["title"], report["clips"], report["landed"], report["failed"]) == ("Stars", 3, 3, 0)
        assert billed(simulator) == posts(simulator) == 3
        assert report["cost_usd"] == pytest.approx(sum(e.amount_microusd for e in simulator.ledger()) / 1e6)
        assert json.loads((tmp_path / "report.json").read_text()) == report
        assert given["ti"].xcoms["report"] == report
        assert given["ti"].xcoms["uris"] == [row["uri"] for row in report["shots"]]
        assert {row["request_id"] for row in report["shots"]} == {e.request_id for e in simulator.ledger()}
        sidecar = json.loads((tmp_path / "launch.2.json").read_text())
        assert sidecar["request_id"] == rows(report)["launch.2"]["request_id"]
        assert sidecar["asked"]["prompt"] == "Rise, launch."

    def test_lineage_names_each_landing_and_what_all_cost(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        shots = [shot(rocket, "launch", takes=2), shot(rocket, "arrival")]
        made = operator({"title": "Stars", "shots": shots}, tmp_path)
        report = finish(made, context())
        found = made.get_openlineage_facets_on_complete(None)

        assert {each.name for each in found.inputs} == {rocket.removeprefix("file://")}
        landed = {each.name: each for each in found.outputs}
        assert set(landed) == {f"{tmp_path}/{name}" for name in films(tmp_path)}
        for row in report["shots"]:
            output = landed[row["uri"].removeprefix("file://")]
            assert output.facets["version"].datasetVersion == row["sha256"]
        facet = found.run_facets["kling"]
        assert sorted(facet.requestIds) == sorted(row["request_id"] for row in report["shots"])
        assert facet.models == ["kling-v3-image-to-video"]
        assert facet.costUsd == pytest.approx(report["cost_usd"])
        assert facet.durationSeconds == pytest.approx(
            sum(row["duration_seconds"] for row in report["shots"]), abs=0.01
        )

    def test_one_deferral_with_one_trigger_for_all(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        shots = [shot(rocket, f"s{n}") for n in range(6)]
        made, given = operator(shots, tmp_path, land_every=60), context()
        deferred = deferral(lambda: made.execute(given))
        trigger, kwargs = stored(deferred)
        assert isinstance(trigger, GMICloudStoryboardTrigger)
        assert len(trigger.requests) == len(kwargs["progress"]) == 6
        assert simulator.api_key not in json.dumps([trigger.serialize()[1], kwargs])
        assert resume(made, given, deferred)["landed"] == 6

    def test_a_deferral_that_was_dropped_begins_anew(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        """``dag.test()`` hands on the event alone (Airflow 3.3.2)."""
        made, store = operator([shot(rocket, "a"), shot(rocket, "b")], tmp_path), TaskStateStore()
        deferral(lambda: made.execute(context(store)))
        while not all(entry.outcome == "success" for entry in simulator.ledger()):
            pass
        report = made.resume_execution("execute_complete", {"event": {"ended": {}}}, context(store))
        assert report["landed"] == posts(simulator) == 2

    def test_no_more_requests_at_a_time_than_allowed(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        made, given = (
            operator([shot(rocket, f"s{n}") for n in range(5)], tmp_path, max_in_flight=2),
            context(),
        )
        deferred = deferral(lambda: made.execute(given))
        assert len(stored(deferred)[0].requests) == posts(simulator) == 2
        assert resume(made, given, deferred)["landed"] == 5
        assert posts(simulator) == 5

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [({}, 20), ({"pool": "kling", "pool_slots": 3}, 3), ({"max_in_flight": "7", "pool": "kling"}, 7)],
    )
    def test_a_pool_counts_clips(self, tmp_path: Path, fields: dict[str, Any], expected: int) -> None:
        from kling_airflow.task.storyboard_arguments import in_flight_of

        assert in_flight_of(operator([], tmp_path, storyboard="s3://b/a.yaml", **fields)) == expected

    def test_a_file_with_frames_beside_it(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        (tmp_path / "rocket.jpg").write_bytes(Path(urlsplit(rocket).path).read_bytes())
        (tmp_path / "shots.csv").write_text("name,frame,prompt,duration\nlaunch,rocket.jpg,Rise.,3\n")
        report = finish(operator((tmp_path / "shots.csv").as_uri(), tmp_path / "clips"), context())
        assert report["landed"] == 1
        assert films(tmp_path / "clips") == ["launch.mp4"]

    def test_text_to_video_needs_no_frame(self, simulator: Simulator, tmp_path: Path) -> None:
        title = {"name": "title", "prompt": "Stars.", "aspect_ratio": "9:16", "duration": 3}
        report = finish(operator([title], tmp_path), context())
        assert report["cost_usd"] > 0
        assert films(tmp_path) == ["title.mp4"]

    def test_identical_shots_are_orders_of_their_own(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        shots = [shot(rocket, name, prompt="Rise.") for name in ("a", "b")]
        assert finish(operator(shots, tmp_path), context())["landed"] == 2
        assert billed(simulator) == 2


class TestFrames:
    def test_any_picture_is_made_a_frame(self, simulator: Simulator, tmp_path: Path) -> None:
        wide = tmp_path / "wide.tif"
        Image.radial_gradient("L").resize((2000, 500)).save(wide)
        report = finish(operator([shot(wide.as_uri(), "a")], tmp_path / "clips"), context())
        payload = ask(simulator, rows(report)["a"]["request_id"]).payload
        frame = Image.open(io.BytesIO(read_public_frame(payload["image"], queue_url=simulator.base_url)))
        assert (frame.format, frame.size) == ("JPEG", (864, 486))

    def test_pictures_are_taken_as_they_are_if_asked_to(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        made = operator([shot(rocket, "a")], tmp_path, aspect_ratio=None)
        payload = ask(simulator, rows(finish(made, context()))["a"]["request_id"]).payload
        given = picture_identity(Path(urlsplit(rocket).path).read_bytes())
        assert picture_identity(read_public_frame(payload["image"], queue_url=simulator.base_url)) == given

    def test_other_bytes_of_the_same_picture_are_the_same_order(
        self, simulator: Simulator, rocket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As another release of Pillow makes them."""
        store = TaskStateStore()
        finish(operator([shot(rocket, "a")], tmp_path), context(store))
        monkeypatch.setattr(
            "kling_airflow.media.frame._encoded",
            lambda image, options: encode_jpeg(image, quality=60, max_bytes=options.max_frame_bytes),
        )
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        finish(operator([shot(rocket, "a")], tmp_path), cleared)
        assert posts(simulator) == 1

    def test_another_shape_is_another_order(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        store = TaskStateStore()
        finish(operator([shot(rocket, "a")], tmp_path), context(store))
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        finish(operator([shot(rocket, "a")], tmp_path, aspect_ratio="9:16", overwrite=True), cleared)
        assert posts(simulator) == 2

    def test_a_picture_that_can_be_no_frame(self, simulator: Simulator, tmp_path: Path) -> None:
        tiny = tmp_path / "tiny.png"
        Image.new("RGB", (20, 20)).save(tiny)
        with pytest.raises(exceptions.InvalidArgument, match=r"`frame` .*tiny\.png.* can't be made a frame"):
            finish(operator([shot(tiny.as_uri(), "a")], tmp_path / "clips"), context())
        assert posts(simulator) == 0


class TestOnce:
    @pytest.mark.parametrize("place", ["store", "folder"])
    def test_a_cleared_task_buys_nothing(
        self, simulator: Simulator, rocket: str, tmp_path: Path, deployment: None, place: str
    ) -> None:
        store, ledger = TaskStateStore(), None
        if place == "folder":
            (tmp_path / "ledger").mkdir()
            ledger = (tmp_path / "ledger").as_uri()
        shots = [shot(rocket, "a", takes=2), shot(rocket, "b")]
        first = finish(operator(shots, tmp_path / "clips", ledger=ledger), context(store))
        again = finish(
            operator(shots, tmp_path / "clips", ledger=ledger),
            context(store, try_number=2, max_tries=1, clear_number=1),
        )
        assert again == first
        assert posts(simulator) == 3

    def test_a_retry_goes_on_where_each_shot_was(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        """The first try dies while its requests are in the queue."""
        store = TaskStateStore()
        shots = [shot(rocket, f"s{n}") for n in range(4)]
        deferral(lambda: operator(shots, tmp_path, max_in_flight=2).execute(context(store)))
        report = finish(operator(shots, tmp_path, retries=1), context(store, try_number=2, max_tries=1))
        assert report["landed"] == posts(simulator) == billed(simulator) == 4

    def test_a_retry_reads_no_frame_of_what_is_bought(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        store, still = TaskStateStore(), tmp_path / "still.jpg"
        still.write_bytes(Path(urlsplit(rocket).path).read_bytes())
        shots = [shot(still.as_uri(), "a"), shot(still.as_uri(), "b")]
        deferral(lambda: operator(shots, tmp_path).execute(context(store)))
        still.unlink()
        report = finish(operator(shots, tmp_path, retries=1), context(store, try_number=2, max_tries=1))
        assert report["landed"] == posts(simulator) == 2

    def test_one_more_take_buys_one_more_clip(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        store = TaskStateStore()
        first = finish(operator([shot(rocket, "a")], tmp_path), context(store))
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        second = finish(operator([shot(rocket, "a", takes=2)], tmp_path), cleared)
        assert posts(simulator) == 2
        assert rows(second)["a.1"]["request_id"] == rows(first)["a"]["request_id"]

    def test_a_changed_prompt_in_an_automatic_retry_buys_nothing(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        store = TaskStateStore()
        deferral(lambda: operator([shot(rocket, "a"), shot(rocket, "b")], tmp_path).execute(context(store)))
        changed = [shot(rocket, "a", prompt="Fall."), shot(rocket, "b")]
        finish(operator(changed, tmp_path, retries=1), context(store, try_number=2, max_tries=1))
        assert posts(simulator) == 2

    @pytest.mark.parametrize("fault", ["reset-after", "deadline-exceeded-created", "bad-gateway-created"])
    def test_a_lost_answer_is_searched(
        self, simulator: Simulator, rocket: str, tmp_path: Path, fault: str
    ) -> None:
        simulator.faults.add(fault, call="POST /requests", times=2)
        report = finish(operator([shot(rocket, f"s{n}") for n in range(4)], tmp_path), context())
        assert report["landed"] == billed(simulator) == 4

    def test_a_failed_generation_is_submitted_again(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        simulator.faults.add("failed-rate-limit", contains="Rise, b.")
        report = finish(operator([shot(rocket, name) for name in "abc"], tmp_path), context())
        assert report["landed"] == billed(simulator) == 3
        assert {name: row["failed_requests"] for name, row in rows(report).items()} == {
            "a": 0,
            "b": 1,
            "c": 0,
        }

    def test_a_request_can_be_adopted(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        first = finish(operator([shot(rocket, "a")], tmp_path / "one"), context())
        request_id = rows(first)["a"]["request_id"]
        made = operator(
            [shot(rocket, "a"), shot(rocket, "b")], tmp_path / "two", adopt_request_ids={"a": request_id}
        )
        assert rows(finish(made, context()))["a"]["request_id"] == request_id
        assert posts(simulator) == 2

    def test_a_storyboard_that_changes_while_the_task_waits_buys_nothing_new(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        board = tmp_path / "shots.json"
        board.write_text(json.dumps([shot(rocket, "a"), shot(rocket, "b")]))
        made, given = operator(board.as_uri(), tmp_path / "clips"), context()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
            deferred = deferral(lambda: made.execute(given))
            board.write_text(json.dumps([shot(rocket, "b"), shot(rocket, "c")]))
            report = resume(made, given, deferred)
            board.unlink()
        assert sorted(rows(report)) == ["a", "b"]
        assert films(tmp_path / "clips") == ["a.mp4", "b.mp4"]
        assert posts(simulator) == 2


class TestRemovedShots:
    """The storyboard changes between two tries."""

    def retry(self, shots: list[dict[str, Any]], folder: Path, store: TaskStateStore) -> dict[str, Any]:
        made = operator(shots, folder, retries=1)
        report: dict[str, Any] = finish(made, context(store, try_number=2, max_tries=1))
        return report

    def test_what_is_paid_for_lands(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        store = TaskStateStore()
        first = [shot(rocket, "a", takes=2), shot(rocket, "b")]
        deferral(lambda: operator(first, tmp_path).execute(context(store)))
        report = self.retry([shot(rocket, "b"), shot(rocket, "c")], tmp_path, store)
        assert films(tmp_path) == ["a.1.mp4", "a.2.mp4", "b.mp4", "c.mp4"]
        assert billed(simulator) == posts(simulator) == 4
        assert sorted(rows(report)) == ["b", "c"], "the storyboard as it is now"
        assert [(row["name"], row["state"]) for row in report["removed"]] == [
            ("a.1", "landed"),
            ("a.2", "landed"),
        ]
        assert report["cost_usd"] == pytest.approx(sum(e.amount_microusd for e in simulator.ledger()) / 1e6)
        again = self.retry([shot(rocket, "b"), shot(rocket, "c")], tmp_path, store)
        assert again == report

    def test_what_can_not_land_fails_no_task(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        """That may be why the shot was taken out."""
        store = TaskStateStore()
        deferral(lambda: operator([shot(rocket, "bad")], tmp_path).execute(context(store)))
        (tmp_path / "bad.mp4").write_text("precious")
        report = self.retry([shot(rocket, "b")], tmp_path, store)
        assert [(row["name"], row["state"]) for row in report["removed"]] == [("bad", "failed")]
        assert (report["landed"], report["failed"]) == (1, 0)

    def test_one_take_less(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        store = TaskStateStore()
        deferral(lambda: operator([shot(rocket, "a", takes=3)], tmp_path).execute(context(store)))
        self.retry([shot(rocket, "a", takes=2)], tmp_path, store)
        assert films(tmp_path) == ["a.1.mp4", "a.2.mp4", "a.3.mp4"]
        assert posts(simulator) == 3

    def test_what_has_failed_is_left_out(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        simulator.faults.add("failed-content-policy", contains="Rise, bad.", times=99)
        store = TaskStateStore()
        with pytest.raises(exceptions.GenerationFailed):
            finish(operator([shot(rocket, "bad"), shot(rocket, "b")], tmp_path), context(store))
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        report = finish(operator([shot(rocket, "b")], tmp_path), cleared)
        assert sorted(rows(report)) == ["b"]
        assert (billed(simulator), posts(simulator)) == (1, 2)

    def test_what_fails_while_it_is_waited_for_is_left_out(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        simulator.faults.add("failed-content-policy", contains="Rise, bad.", times=99)
        given = context()
        board = tmp_path / "shots.json"
        board.write_text(json.dumps([shot(rocket, "bad"), shot(rocket, "b")]))
        made = operator(board.as_uri(), tmp_path / "clips")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
            deferred = deferral(lambda: made.execute(given))
            board.write_text(json.dumps([shot(rocket, "b")]))
            report = resume(made, given, deferred)
        assert sorted(rows(report)) == ["b"]
        assert posts(simulator) == 2

    def test_what_another_task_has_landed_is_not_taken(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        """The report of another task lies at the same destination."""
        finish(operator([shot(rocket, "a")], tmp_path), context())
        report = self.retry([shot(rocket, "b")], tmp_path, TaskStateStore())
        assert sorted(rows(report)) == ["b"]
        assert posts(simulator) == 2


class TestTakenDestinations:
    """What a landing would refuse is refused before anything is bought."""

    def other_run(self, task_id: str) -> dict[str, Any]:
        given = context()
        given["ti"].task_id, given["ti"].run_id = task_id, "another run"
        return given

    @pytest.mark.parametrize("name", ["a.mp4", "a.json", "a.jpg", "a.landing.json"])
    def test_a_file_that_no_landing_wrote(
        self, simulator: Simulator, rocket: str, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).write_text("precious")
        with pytest.raises(exceptions.GenerationFailed, match=rf"b?a\S*{name}.*No money was spent"):
            finish(operator([shot(rocket, "a"), shot(rocket, "b")], tmp_path), context())
        assert (tmp_path / name).read_text() == "precious"
        assert films(tmp_path) == sorted({"b.mp4"} | ({name} if name.endswith(".mp4") else set()))
        assert posts(simulator) == 1

    def test_a_twin_of_another_task(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        finish(operator([shot(rocket, "a")], tmp_path), context())
        (tmp_path / "report.json").rename(tmp_path / "moved.json")
        with pytest.raises(exceptions.GenerationFailed, match="would be another clip.*No money was spent"):
            finish(operator([shot(rocket, "a")], tmp_path), self.other_run("twin"))
        assert posts(simulator) == 1

    def test_a_twin_that_begins_while_the_other_waits(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        first, given = operator([shot(rocket, "a")], tmp_path), context()
        deferred = deferral(lambda: first.execute(given))
        with pytest.raises(exceptions.DestinationTaken, match=r"the task dag\.submit\..*No money was spent"):
            finish(operator([shot(rocket, "b")], tmp_path), self.other_run("twin"))
        assert resume(first, given, deferred)["landed"] == posts(simulator) == 1
        twin = operator([shot(rocket, "b")], tmp_path, overwrite=True)
        assert finish(twin, self.other_run("twin"))["landed"] == 1

    def test_the_next_run_of_the_task_replaces_its_clips(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        first = finish(operator([shot(rocket, "a")], tmp_path), context())
        second = finish(operator([shot(rocket, "a")], tmp_path), self.other_run("submit"))
        assert rows(first)["a"]["request_id"] != rows(second)["a"]["request_id"]
        assert json.loads((tmp_path / "a.json").read_text())["request_id"] == rows(second)["a"]["request_id"]

    def test_a_changed_prompt_is_bought_only_if_its_clip_may_land(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        store, changed = TaskStateStore(), [shot(rocket, "a", prompt="Fall.")]
        finish(operator([shot(rocket, "a")], tmp_path), context(store))
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        with pytest.raises(exceptions.GenerationFailed, match="an earlier try of this task has landed"):
            finish(operator(changed, tmp_path), cleared)
        assert posts(simulator) == 1
        again = context(store, try_number=3, max_tries=2, clear_number=2)
        assert finish(operator(changed, tmp_path, overwrite=True), again)["landed"] == 1
        assert posts(simulator) == 2


class TestFailures:
    def shots(self, rocket: str) -> list[dict[str, Any]]:
        return [shot(rocket, "a"), shot(rocket, "bad"), shot(rocket, "c")]

    @pytest.fixture(autouse=True)
    def _one_is_refused(self, simulator: Simulator) -> None:
        simulator.faults.add("failed-content-policy", contains="Rise, bad.", times=99)

    def test_at_the_end_everything_good_has_landed(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        given = context()
        with pytest.raises(exceptions.GenerationFailed) as caught:
            finish(operator(self.shots(rocket), tmp_path), given)
        text = str(caught.value)
        assert "1 of 3 shots failed, 2 have landed. bad: Request " in text
        assert "GMI Cloud does not bill failed requests." in text
        assert films(tmp_path) == ["a.mp4", "c.mp4"]
        report = json.loads((tmp_path / "report.json").read_text())
        assert report == given["ti"].xcoms["report"]
        assert rows(report)["bad"]["state"] == "failed"
        assert billed(simulator) == 2

    def test_a_clear_buys_only_what_failed(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        store = TaskStateStore()
        with pytest.raises(exceptions.GenerationFailed):
            finish(operator(self.shots(rocket), tmp_path), context(store))
        good = [*self.shots(rocket)[:1], shot(rocket, "bad", prompt="Rise well."), shot(rocket, "c")]
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        assert finish(operator(good, tmp_path), cleared)["landed"] == 3
        assert billed(simulator) == 3

    @pytest.mark.parametrize(("resubmit_on", "posted"), [("passing", 3), ("never", 3), ("any", 4)])
    def test_a_retry_submits_nothing_that_has_failed_for_good(
        self, simulator: Simulator, rocket: str, tmp_path: Path, resubmit_on: str, posted: int
    ) -> None:
        """Airflow retries because of another shot, or because the worker died."""
        store, fields = TaskStateStore(), {"resubmit_on": resubmit_on, "max_resubmissions": 0, "retries": 1}
        with pytest.raises(exceptions.GenerationFailed) as first:
            finish(operator(self.shots(rocket), tmp_path, **fields), context(store))
        with pytest.raises(exceptions.GenerationFailed) as second:
            finish(
                operator(self.shots(rocket), tmp_path, **fields),
                context(store, try_number=2, max_tries=1),
            )
        assert posts(simulator) == posted
        assert (str(first.value) == str(second.value)) is (posted == 3)

    def test_a_retry_submits_what_was_put_right_meanwhile(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        store = TaskStateStore()
        with pytest.raises(exceptions.GenerationFailed):
            finish(operator(self.shots(rocket), tmp_path, retries=1), context(store))
        good = [*self.shots(rocket)[:1], shot(rocket, "bad", prompt="Rise well."), shot(rocket, "c")]
        again = operator(good, tmp_path, retries=1)
        assert finish(again, context(store, try_number=2, max_tries=1))["landed"] == 3
        assert (posts(simulator), billed(simulator)) == (4, 3)

    def test_a_retry_submits_once_more_what_has_failed_for_a_passing_reason(
        self, simulator: Simulator, rocket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        simulator.faults.clear()
        simulator.faults.add("failed-rate-limit", contains="Rise, bad.", times=1)
        store, fields = TaskStateStore(), {"max_resubmissions": 0, "retries": 1}
        with pytest.raises(exceptions.GenerationFailedForNow):
            finish(operator(self.shots(rocket), tmp_path, **fields), context(store))
        again = operator(self.shots(rocket), tmp_path, **fields)
        assert finish(again, context(store, try_number=2, max_tries=1))["landed"] == 3
        assert posts(simulator) == 4
        assert capsys.readouterr().out.count(": submitting anew") == 1

    def test_continue_succeeds_and_reports(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        report = finish(operator(self.shots(rocket), tmp_path, on_shot_failure="continue"), context())
        assert (report["landed"], report["failed"]) == (2, 1)
        assert "failed: " in rows(report)["bad"]["error"]

    def test_fail_fast_submits_nothing_more(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        shots = [shot(rocket, "bad"), *(shot(rocket, f"s{n}") for n in range(4))]
        with pytest.raises(exceptions.GenerationFailed, match="Not submitted: s0, s1"):
            finish(operator(shots, tmp_path, on_shot_failure="fail_fast", max_in_flight=1), context())
        assert posts(simulator) == 1

    def test_fail_fast_lands_what_is_in_the_queue(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        # The failure comes at once, and no clip is done before it: else another shot takes its place.
        simulator.faults.clear()
        simulator.faults.add("failed-content-policy", contains="Rise, bad.", times=99, after=0.0)
        shots = [shot(rocket, "bad"), *(shot(rocket, f"s{n}", duration=15) for n in range(4))]
        made = operator(shots, tmp_path, on_shot_failure="fail_fast", max_in_flight=3)
        with pytest.raises(exceptions.GenerationFailed, match=r"2 have landed.*Not submitted: s2, s3\."):
            finish(made, context())
        assert films(tmp_path) == ["s0.mp4", "s1.mp4"]
        assert (posts(simulator), billed(simulator)) == (3, 2)

    def test_fail_fast_lands_what_an_earlier_try_has_bought(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        """The first shot fails before the others are looked for."""
        store, fields = TaskStateStore(), {"on_shot_failure": "fail_fast", "retries": 1}
        shots = [shot("file:///no/such.jpg", "first"), *(shot(rocket, f"s{n}") for n in range(4))]
        died = operator(shots[1:], tmp_path, max_in_flight=2, **fields)
        deferral(lambda: died.execute(context(store)))
        retried = operator(shots, tmp_path, max_in_flight=1, **fields)
        with pytest.raises(exceptions.GenerationFailed, match=r"2 have landed.*Not submitted: s2, s3\."):
            finish(retried, context(store, try_number=2, max_tries=1))
        assert films(tmp_path) == ["s0.mp4", "s1.mp4"]
        assert posts(simulator) == 2

    @pytest.mark.parametrize("field", ["frame", "end_frame"])
    @pytest.mark.parametrize("kind", BAD_FRAMES)
    def test_a_frame_that_can_not_be_used_is_found_before_money_is_spent(
        self, simulator: Simulator, rocket: str, tmp_path: Path, kind: str, field: str
    ) -> None:
        make, message = BAD_FRAMES[kind]
        source = make(tmp_path)
        shots = [shot(rocket, f"s{number}") for number in range(9)]
        shots += [shot(rocket, "b") | {field: source}, shot(rocket, "c") | {field: source + "x"}]
        shots += [shot(rocket, "d") | {field: source}]
        made = operator(shots, tmp_path / "clips")
        told = rf"shot 'b': `{field}`.*({message})"
        with pytest.raises(exceptions.InvalidArgument, match=told) as caught:
            finish(made, context())
        assert "No money was spent" in str(caught.value)
        assert "has 3 errors" in str(caught.value)
        assert "shot 'c'" in str(caught.value)
        assert "shot 'd'" in str(caught.value)
        assert (posts(simulator), films(tmp_path)) == (0, [])

    def test_a_frame_is_missing_and_the_others_go_on(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        shots = [shot(rocket, "a"), shot("file:///no/such/frame.jpg", "b")]
        report = finish(operator(shots, tmp_path, on_shot_failure="continue"), context())
        assert films(tmp_path) == ["a.mp4"]
        assert "/no/such/frame.jpg" in rows(report)["b"]["error"]
        assert posts(simulator) == 1

    def test_a_frame_that_vanishes_later_fails_its_shot_alone(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        """A retry has clips to land: it does not ask for all frames again."""
        store = TaskStateStore()
        died = operator([shot(rocket, "a")], tmp_path, retries=1)
        deferral(lambda: died.execute(context(store)))
        retried = operator([shot(rocket, "a"), shot("file:///no/such.jpg", "b")], tmp_path, retries=1)
        with pytest.raises(exceptions.GenerationFailed, match=r"b: .*/no/such.jpg"):
            finish(retried, context(store, try_number=2, max_tries=1))
        assert films(tmp_path) == ["a.mp4"]

    def test_a_store_that_does_not_answer_is_asked_again_by_a_retry(
        self, simulator: Simulator, rocket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read, asked = StoredObject.read_all, []

        def refuse_once(place: StoredObject, most: int) -> bytes:
            asked.append(place.uri)
            if len(asked) == 1:
                raise StorageFailed("the store does not answer")
            return read(place, most)

        monkeypatch.setattr(StoredObject, "read_all", refuse_once)
        made, store = operator([shot(rocket, "a")], tmp_path, retries=1), TaskStateStore()
        with pytest.raises(
            exceptions.StorageFailed, match="Shot a: `frame`: the store does not answer"
        ) as caught:
            finish(made, context(store))
        assert "No money was spent" in str(caught.value)
        assert posts(simulator) == 0
        assert finish(made, context(store, try_number=2, max_tries=1))["landed"] == 1

    def test_a_bucket_one_may_not_write_to(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        made = operator([shot(rocket, "a")], tmp_path, destination="{{ folder }}")
        made.render_template_fields({"folder": tmp_path.as_uri()})
        with pytest.raises(exceptions.InvalidArgument, match="allowed_destinations"):
            finish(made, context())
        assert posts(simulator) == 0

    def test_a_folder_that_can_not_be_written_to(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        (tmp_path / "clips").write_text("a file")
        with pytest.raises((exceptions.StorageFailed, exceptions.InvalidArgument), match="report.json"):
            finish(operator([shot(rocket, "a")], tmp_path / "clips"), context())
        assert posts(simulator) == 0

    def test_a_file_that_is_no_report_stays(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        (tmp_path / "report.json").write_text('{"sales": 3}')
        with pytest.raises(exceptions.DestinationTaken, match="is no report"):
            finish(operator([shot(rocket, "a")], tmp_path), context())
        assert (tmp_path / "report.json").read_text() == '{"sales": 3}'
        assert posts(simulator) == 0

    def test_what_was_bought_before_is_never_spoken_of_as_unspent(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        (tmp_path / "shots.json").write_text(json.dumps([shot(rocket, "a")]))
        board, store = (tmp_path / "shots.json").as_uri(), TaskStateStore()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
            finish(operator(board, tmp_path / "clips"), context(store))
            (tmp_path / "shots.json").write_text("[]")
            cleared = context(store, try_number=2, max_tries=1, clear_number=1)
            with pytest.raises(exceptions.InvalidArgument, match="no shots") as caught:
                finish(operator(board, tmp_path / "clips"), cleared)
        assert "The ledger says whether an earlier try has bought the clip" in str(caught.value)
        assert "No money was spent" not in str(caught.value)

    def test_a_report_that_can_not_be_stored(
        self, simulator: Simulator, rocket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, given = operator([shot(rocket, "a")], tmp_path), context()
        deferred = deferral(lambda: made.execute(given))
        write = StoredObject.write

        def refuse_reports(place: StoredObject, data: bytes, content_type: str) -> None:
            if place.uri.endswith("report.json"):
                raise StorageFailed("the disk is full")
            write(place, data, content_type)

        monkeypatch.setattr(StoredObject, "write", refuse_reports)
        with pytest.raises(exceptions.StorageFailed, match="paid for.*Only the report could not be stored"):
            resume(made, given, deferred)
        assert films(tmp_path) == ["a.mp4"]

    def test_one_bad_row_of_forty_buys_nothing(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        board = [shot(rocket, f"s{n}", **({"duration": 50} if n == 27 else {})) for n in range(40)]
        (tmp_path / "shots.json").write_text(json.dumps(board, indent=1))
        made = operator((tmp_path / "shots.json").as_uri(), tmp_path)
        with pytest.raises(exceptions.InvalidArgument, match=r"shots\.json:\d+: shot 's27', `duration`"):
            made.execute(context())
        assert posts(simulator) == 0

    def test_a_limit_for_each_clip(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        shots = [shot(rocket, "a"), shot(rocket, "b", duration=10)]
        with pytest.raises(exceptions.GenerationFailed, match=r"b: `max_cost_usd` is 1, .*\$1\.68"):
            finish(operator(shots, tmp_path, max_cost_usd=1), context())
        assert posts(simulator) == 1


class TestChains:
    @pytest.fixture
    def running(self) -> Iterator[Simulator]:
        """A queue that renders pictures large enough to be frames."""
        with Simulator(speed=600, render="full", submit_seconds=0) as simulator:
            yield simulator

    def test_a_shot_begins_on_the_last_frame_of_another(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:

        shots = [shot(rocket, "a"), {"name": "b", "prompt": "On.", "continues": True, "duration": 3}]
        made, given = operator([*shots, shot(rocket, "c")], tmp_path), context()
        report = finish(made, given)
        assert report["landed"] == billed(simulator) == 3
        recorded = Path(urlsplit(rows(report)["a"]["last_frame_uri"]).path)
        assert recorded.read_bytes() == last_frame(tmp_path / "a.mp4")
        uploaded = ask(simulator, rows(report)["b"]["request_id"]).payload["image"]
        assert picture_identity(
            read_public_frame(uploaded, queue_url=simulator.base_url)
        ) == picture_identity(recorded.read_bytes())

    def test_a_cleared_chain_is_found_again(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        store = TaskStateStore()
        shots = [shot(rocket, "a"), {"name": "b", "prompt": "On.", "continues": "a", "duration": 3}]
        first = finish(operator(shots, tmp_path), context(store))
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        assert finish(operator(shots, tmp_path), cleared) == first
        assert posts(simulator) == 2

    def test_a_retry_mends_a_failed_link(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        simulator.faults.add("failed-content-policy", contains="Rise, a.", times=1)
        store, on = TaskStateStore(), {"prompt": "On.", "duration": 3}
        shots = [
            shot(rocket, "a"),
            {"name": "b", "continues": "a", **on},
            {"name": "c", "continues": "b", "takes": 2, **on},
            shot(rocket, "x"),
        ]
        with pytest.raises(exceptions.GenerationFailed, match="4 of 5 shots failed, 1 have landed"):
            finish(operator(shots, tmp_path), context(store))
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        assert finish(operator(shots, tmp_path), cleared)["landed"] == billed(simulator) == 5
        assert posts(simulator) == 6

    def test_a_failed_link_fails_only_what_hangs_on_it(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        simulator.faults.add("failed-content-policy", contains="Rise, a.", times=99)
        on = {"prompt": "On.", "duration": 3}
        shots = [
            shot(rocket, "a"),
            {"name": "b", "continues": "a", **on},
            {"name": "c", "continues": "b", **on},
            shot(rocket, "x"),
            {"name": "y", "continues": "x", **on},
        ]
        report = finish(operator(shots, tmp_path, on_shot_failure="continue"), context())
        states = {name: row["state"] for name, row in rows(report).items()}
        assert states == {"a": "failed", "b": "failed", "c": "failed", "x": "landed", "y": "landed"}
        assert "continues shot a" in rows(report)["b"]["error"]
        assert billed(simulator) == 2


class TestStopping:
    def test_a_stopped_task_buys_nothing_more(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        """SIGTERM comes while the first shots are submitted."""
        made, store = operator([shot(rocket, f"s{n}") for n in range(40)], tmp_path), TaskStateStore()
        with (
            signalled(signal.SIGTERM, made.on_kill, lambda: posts(simulator) >= 3),
            pytest.raises(TaskStopped),
        ):
            made.execute(context(store))
        bought = posts(simulator)
        assert 3 <= bought < 40
        report = finish(
            operator([shot(rocket, f"s{n}") for n in range(40)], tmp_path, retries=1),
            context(store, try_number=2, max_tries=1),
        )
        assert report["landed"] == billed(simulator) == posts(simulator) == 40

    def test_a_replaced_try_sends_nothing(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        store = TaskStateStore()
        store.stale = True
        with pytest.raises(RuntimeError, match="replaced"):
            operator([shot(rocket, "a"), shot(rocket, "b")], tmp_path).execute(context(store))
        assert posts(simulator) == 0


class TestWhenTheDagIsParsed:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"on_shot_failure": "shrug"}, ["on_shot_failure", "fail_at_end"]),
            ({"max_in_flight": 0}, ["max_in_flight"]),
            ({"destination": "s3://clips/a.mp4"}, ["destination", "folder"]),
            ({"destination": "https://clips"}, ["destination"]),
            ({"on_mismatch": "shrug"}, ["on_mismatch"]),
            ({"max_cost_usd": "cheap"}, ["max_cost_usd"]),
            ({"storyboard": [{"name": "a", "prompt": "x", "duration": 50}]}, ["shot 'a'", "3 to 15"]),
            ({"storyboard": []}, ["no shots"]),
            ({"aspect_ratio": "4:5"}, ["aspect_ratio", "4:5"]),
            ({"fit": "shrink"}, ["fit", "shrink"]),
        ],
    )
    def test_a_literal_mistake(self, tmp_path: Path, fields: dict[str, Any], words: list[str]) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            operator([{"name": "a", "prompt": "x"}], tmp_path, **fields)
        for word in [*words, "No money was spent"]:
            assert word in str(caught.value)

    @pytest.mark.parametrize("name", ["storyboard", "destination", "max_in_flight", "on_shot_failure"])
    def test_a_template_is_not_judged(self, tmp_path: Path, name: str) -> None:
        operator("s3://b/shots.yaml", tmp_path, **{name: "{{ params.value }}"})


def test_the_log_tells_of_each_shot(
    simulator: Simulator, rocket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(operator([shot(rocket, "a"), shot(rocket, "b")], tmp_path), context())
    lines = Counter(
        line.partition("Shot ")[2][:12]
        for line in capsys.readouterr().out.splitlines()
        if "has landed at" in line
    )
    assert sum(lines.values()) >= 2
