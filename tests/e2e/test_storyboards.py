"""Storyboards in a real Airflow: killed at random moments, approved by a person, started by an asset."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.demo.options import START
from kling_airflow.simulator import Simulator
from tests.airflow_versions import needs_airflow
from tests.e2e.board_kills import ACCOUNTS, DAG_ID, OURS, KilledBoard
from tests.e2e.world import CANCEL, Run, World

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.timeout(600)]
FILM, STILLS, ASSET = "kling_storyboard", "kling_on_new_still", "kling_stills"
EXAMPLES = Path(__file__).parents[2] / "dags"
BUCKET = "s3://clips"
SHOTS, KILLS = 12, 4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One cluster for all tests of this module, with the example DAGs as they stand."""
    folder = tmp_path_factory.mktemp("storyboards")
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).with_name("dags") / "storyboards.py", dags)
    shutil.copy(EXAMPLES / f"{FILM}.py", dags)
    text = (EXAMPLES / f"{STILLS}.py").read_text()
    assert text.count(BUCKET) == 1  # no event can set a param
    (dags / f"{STILLS}.py").write_text(text.replace(BUCKET, (folder / "stills").as_uri()))
    told = {"AIRFLOW__KLING__ALLOWED_SOURCES": folder.as_uri()}
    with (
        Simulator(speed=20, render="fast", accounts=ACCOUNTS) as simulator,
        World(
            folder,
            dags=dags,
            names=(DAG_ID, FILM, STILLS),
            simulator=simulator,
            environment=told,
            parallelism=4,
        ) as world,
    ):
        yield world


@pytest.fixture(scope="module")
def asked(world: World) -> dict[str, Run]:
    """Two runs that wait for a person at the same time."""
    runs = {}
    shutil.copy(START, world.folder)
    for answer in ("Approve", "Reject"):
        name = f"film-{answer.lower()}"
        shots = [
            {"name": f"s{number}", "frame": START.name, "prompt": f"{name} {number}", "duration": 3}
            for number in range(2)
        ]
        board = world.folder / f"{name}.json"
        board.write_text(json.dumps(shots))
        params = {"storyboard": board.as_uri(), "bucket": (world.folder / "films").as_uri()}
        world.cluster.api.start(FILM, name, params)
        runs[answer] = Run(world, FILM, name)
    return runs


def requests_of_ours(world: World) -> int:
    """Return how many requests the queue has of our key, billed or not."""
    return sum(entry.key_name == OURS for entry in world.simulator.ledger())


class TestKills:
    @pytest.mark.timeout(900)
    def test_everything_billed_has_landed_once(self, world: World) -> None:
        board = KilledBoard(world, "killed", shots=SHOTS, kills=KILLS, seed=4, in_flight=4)
        before = requests_of_ours(world)
        # A kill between an intent and its POST costs minutes: until then the request may still arrive.
        state = board.play(700)
        assert board.killed.total() == KILLS
        assert state == "success", board.run.log("clips")[-6000:]
        orders = world.orders()
        bought = {
            f"s{number}": [entry.request_id for entry in orders.get(board.prompt(number), []) if entry.billed]
            for number in range(SHOTS)
        }
        assert bought == {name: [request_id] for name, request_id in board.landed().items()}
        assert len(bought) == requests_of_ours(world) - before == SHOTS
        assert board.report()["landed"] == SHOTS


class TestUsers:
    """What a person does while all clips of a storyboard are waited for in a triggerer."""

    def waiting(self, world: World, name: str) -> KilledBoard:
        """Start a storyboard whose requests never end by themselves, and wait until a triggerer has them."""
        board = KilledBoard(world, name, shots=3, kills=0, seed=0, in_flight=3)
        world.simulator.faults.add("stuck-queued", contains=name, times=3)
        board.start()
        world.wait_for(lambda: board.run.instance("clips")["triggerer_job"], "a triggerer has the requests")
        assert board.counts()["created"] == 3
        return board

    def test_a_task_that_is_marked_failed_cancels_every_request(self, world: World) -> None:
        board = self.waiting(world, "marked")
        world.cluster.api.mark(DAG_ID, board.name, "clips", "failed")
        world.wait_for(
            lambda: all(CANCEL in entry.calls for entry in board.entries()), "every request is cancelled"
        )
        assert board.run.wait_until_over() == "failed"
        assert len(board.entries()) == 3

    def test_a_task_that_is_cleared_goes_on_with_every_request(self, world: World) -> None:
        board = self.waiting(world, "cleared")
        world.cluster.api.clear(DAG_ID, board.name, "clips")
        world.wait_for(
            lambda: board.run.log("clips").count("Waiting for 3 requests") == 2, "the next try waits for them"
        )
        assert not any(CANCEL in entry.calls for entry in board.entries())
        assert len(board.entries()) == 3


@needs_airflow("3.1", "tasks that ask a person")
class TestApproval:
    @pytest.mark.parametrize(
        ("answer", "ends", "clips"), [("Reject", "failed", 0), ("Approve", "success", 2)]
    )
    def test_only_an_approval_buys(
        self, world: World, asked: dict[str, Run], answer: str, ends: str, clips: int
    ) -> None:
        run, before = asked[answer], requests_of_ours(world)
        run.wait_for_state("deferred", "awaiting_input", task_id="approve")
        question = world.cluster.api.question(FILM, run.name, "approve")
        assert "2 clips for $1.01" in question["body"]
        assert requests_of_ours(world) == before
        world.cluster.api.answer(FILM, run.name, "approve", answer)
        assert run.wait_until_over(timeout=180) == ends, run.log("clips")[-6000:]
        assert requests_of_ours(world) - before == clips
        folder = world.folder / "films" / run.name
        assert len(list(folder.glob("s?.mp4"))) == clips
        assert (folder / "film.mp4").exists() == (folder / "contact-sheet.jpg").exists() == (clips > 0)


class TestNewStills:
    def still(self, world: World, name: str) -> str:
        """Store a still, and return its address."""
        return Path(shutil.copy(START, world.folder / f"{name}.jpg")).as_uri()

    def clips_of(self, run: Run) -> list[str]:
        """Wait for the end of a run; return the stills whose clips have landed."""
        assert run.wait_until_over(timeout=180) == "success", run.log("clips")[-6000:]
        folder = run.world.folder / "stills" / run.name
        return sorted(path.stem.rpartition("-")[0] for path in folder.glob("*.mp4"))

    def new_run(self, world: World, known: set[str]) -> Run:
        """Wait for a run of the DAG that is not known yet."""

        def found() -> str | None:
            return next(iter(world.cluster.api.run_ids(STILLS) - known), None)

        return Run(world, STILLS, world.wait_for(found, "the event starts a run"))

    def test_single_and_batched_events(self, world: World) -> None:
        api, before = world.cluster.api, requests_of_ours(world)
        api.store_event(ASSET, {"uri": self.still(world, "single")})
        single = self.new_run(world, set())

        # The scheduler stands still, so that two events are there before it starts a run. Airflow 3.3.2 gives
        # the run the first of them, and the other one to the run of the next event.
        world.cluster.scheduler.signal(signal.SIGSTOP)
        try:
            api.store_event(ASSET, {"uri": self.still(world, "first")})
            api.store_event(ASSET, {"uris": [self.still(world, name) for name in ("second", "third")]})
        finally:
            world.cluster.scheduler.signal(signal.SIGCONT)
        some = self.new_run(world, {single.name})
        api.store_event(ASSET, {"uri": self.still(world, "fourth")})
        others = self.new_run(world, {single.name, some.name})

        clips = [self.clips_of(run) for run in (single, some, others)]
        assert clips[0] == ["single"]
        assert sorted(clips[1] + clips[2]) == ["first", "fourth", "second", "third"]
        assert max(map(len, clips)) == 3, "one run has got the stills of two events"
        assert api.run_ids(STILLS) == {single.name, some.name, others.name}
        assert requests_of_ours(world) - before == billed_by(world, single, some, others) == 5


def billed_by(world: World, *runs: Run) -> int:
    """Return how many clips the runs' own reports name, each billed in the queue."""
    paid = {entry.request_id for entry in world.simulator.ledger() if entry.billed}
    reports: list[Any] = [
        json.loads((world.folder / "stills" / run.name / "report.json").read_bytes()) for run in runs
    ]
    return sum(row["request_id"] in paid for report in reports for row in report["shots"])
