"""What Airflow's own listeners, and OpenLineage's, are told of clips: assets, extras, facets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow_versions import needs_airflow
from tests.dag_runs import run_dag
from tests.task_fixtures import queue as queue
from tests.task_fixtures import stepping as stepping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kling_airflow.simulator import Simulator

pytestmark = needs_airflow("3.0", "listeners of assets, and outlets that are aliases, in dag.test()")

DAG = """
from airflow.sdk import DAG, Asset, AssetAlias
from kling_airflow.operators.extract_frame import ExtractFrameOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.join_clips import JoinClipsOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

with DAG("lineage"):
    clip = KlingImageToVideoOperator(
        task_id="clip", image="IMAGE", prompt="rise", duration=3, label="launch", wait_for_completion=True,
        poll_interval=1, outlets=[Asset("bought")],
    )
    land = ClipToObjectStorageOperator(
        task_id="land", clip=clip.output, destination="FOLDER/a.mp4",
        outlets=[Asset("landed"), AssetAlias("files")],
    )
    frame = ExtractFrameOperator(
        task_id="frame", clip=land.output["uri"], destination="FOLDER/a.png", outlets=[AssetAlias("frames")]
    )
    film = JoinClipsOperator(
        task_id="film", clips=[land.output], destination="FOLDER/film.mp4", preset="ultrafast",
        outlets=[Asset("films")],
    )
    quiet = ExtractFrameOperator(task_id="quiet", clip=land.output["uri"], destination="FOLDER/b.png")
"""


class Heard:
    """A listener, as a plugin registers one."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.lineage: dict[str, Any] = {}


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Register a listener with Airflow for the time of a test."""
    from tests.integration.listening import listening

    with listening(Heard()) as found:
        yield found


def test_listeners_hear_of_each_asset_and_what_it_cost(
    queue: Simulator,
    rocket: str,
    dags_folder: Path,
    tmp_path: Path,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
    source = DAG.replace("IMAGE", rocket).replace("FOLDER", tmp_path.as_uri())
    run = run_dag(dags_folder, "lineage", source)
    assert set(run.states.values()) == {"success"}, run.states
    landed, clip, film = run.result("land"), run.result("clip"), run.result("film")

    events = asset_events()
    about = {
        "request_id": clip["request_id"],
        "cost_usd": 0.504,
        "duration_seconds": landed["duration_seconds"],
        "sha256": landed["sha256"],
        "uri": landed["uri"],
        "label": "launch",
    }
    assert events["bought"] == {
        "request_id": clip["request_id"],
        "cost_usd": 0.504,
        "duration_seconds": 3,
        "label": "launch",
    }
    assert events["landed"] == about
    assert events[landed["uri"]] == about, "the alias became the file's own asset"
    assert events[f"{tmp_path.as_uri()}/a.png"]["sha256"]
    assert {name: events["films"][name] for name in ("request_id", "cost_usd", "sha256")} == {
        "request_id": film["request_id"],
        "cost_usd": 0.504,
        "sha256": film["sha256"],
    }
    assert sorted(events) == sorted(
        ["bought", "landed", "films", landed["uri"], f"{tmp_path.as_uri()}/a.png"]
    ), "only the outlets that the DAG names"
    assert {"bought", "landed", "films"} <= set(heard.changed)

    facet = heard.lineage["land"].run_facets["kling"]
    assert (facet.requestIds, facet.models, facet.costUsd) == (
        [clip["request_id"]],
        ["kling-v3-image-to-video"],
        0.504,
    )
    (written,) = [each for each in heard.lineage["land"].outputs if each.name.endswith("/a.mp4")]
    assert written.facets["version"].datasetVersion == landed["sha256"]
    assert written.outputFacets["outputStatistics"].size == landed["bytes"]
    assert [each.name for each in heard.lineage["film"].inputs] == [f"{tmp_path}/a.mp4"]
    assert heard.lineage["clip"].run_facets["kling"].durationSeconds == 3


def asset_events() -> dict[str, dict[str, Any]]:
    """Return the extras of the events of the run, by the asset's name."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        names = {asset.id: asset.name for asset in session.query(AssetModel)}
        rows = session.query(AssetEvent).filter_by(source_dag_id="lineage").all()
        return {names[row.asset_id]: dict(row.extra) for row in rows}
