"""ClipToObjectStorageOperator: what it takes, what it returns, what it refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from kling_airflow.airflow_compat import DAG, AirflowException, AirflowFailException, ObjectStoragePath
from kling_airflow.exceptions import (
    DestinationTaken,
    DownloadFailed,
    DownloadRefused,
    InvalidArgument,
    InvalidClip,
    Unauthorized,
)
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.airflow_context import connect, context
from tests.airflow_versions import needs_airflow
from tests.dag_runs import run_dag
from tests.media.clip_server import movie as movie
from tests.media.clip_server import server as server
from tests.media.file_server import FileServer, serve, status

Land = Callable[..., dict[str, Any]]


@pytest.fixture
def clip(server: FileServer) -> dict[str, Any]:
    return {
        "request_id": "request-1",
        "model": "kling-v3-image-to-video",
        "status": "success",
        "video_url": server.url,
        "thumbnail_url": None,
        "duration": 5,
        "sound": True,
        "cost_usd": 1.26,
        "submitted_at": "2026-11-23T04:00:00+00:00",
        "finished_at": "2026-11-23T04:02:45+00:00",
    }


@pytest.fixture
def land(tmp_path: Path, clip: dict[str, Any]) -> Land:
    def landed(**options: Any) -> dict[str, Any]:
        options = {"clip": clip, "destination": (tmp_path / "clips" / "x.mp4").as_uri()} | options
        return ClipToObjectStorageOperator(task_id="land", **options).execute({})

    return landed


def sidecar(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "clips" / "x.json").read_text())


def test_a_clip_lands(land: Land, tmp_path: Path, movie: bytes) -> None:
    landed = land()
    assert (tmp_path / "clips" / "x.mp4").read_bytes() == movie
    assert landed["uri"] == (tmp_path / "clips" / "x.mp4").as_uri()
    assert landed["poster_uri"] == (tmp_path / "clips" / "x.jpg").as_uri()
    assert landed["sidecar_uri"] == (tmp_path / "clips" / "x.json").as_uri()
    assert set(landed) == {
        "uri",
        "sha256",
        "bytes",
        "duration_seconds",
        "width",
        "height",
        "fps",
        "has_audio",
        "poster_uri",
        "sidecar_uri",
        "request_id",
    }


def test_a_second_run_does_nothing(land: Land, server: FileServer) -> None:
    assert land() == land()
    assert len(server.requests) == 1


def test_what_was_asked_comes_from_the_clip_or_from_arguments(
    land: Land, tmp_path: Path, clip: dict[str, Any]
) -> None:
    land(clip=clip | {"duration": None, "sound": None})
    assert sidecar(tmp_path)["checks"] == {"duration": "not checked", "sound": "not checked"}
    land(
        clip=clip | {"duration": None, "sound": None, "request_id": "2"},
        duration="5",
        sound="true",
        overwrite=True,
    )
    assert sidecar(tmp_path)["asked"]["duration"] == 5
    assert sidecar(tmp_path)["checks"]["sound"] == "has sound, as asked for"
    land(clip=clip | {"request_id": "3", "duration": 10}, duration=5, sound="", overwrite=True)
    assert sidecar(tmp_path)["asked"]["sound"] is True
    with pytest.raises(InvalidClip, match="asked for were 10 s") as caught:
        land(clip=clip | {"request_id": "4", "duration": 10}, overwrite=True)
    assert isinstance(caught.value, AirflowException)


def test_the_sidecar_says_which_iteration_of_a_loop_landed_the_clip(
    clip: dict[str, Any], tmp_path: Path
) -> None:
    """In Airflow 3.4 a task instance has a ``region_id``, which is no JSON, and the context has the loop."""
    given: Any = context() | {"loop": SimpleNamespace(index=2)}
    given["ti"].region_id, given["ti"].region_index = UUID(int=1), 2
    destination = (tmp_path / "clips" / "x.mp4").as_uri()
    ClipToObjectStorageOperator(task_id="land", clip=clip, destination=destination).execute(given)
    expected = {"dag_id": "dag", "run_id": "run", "task_id": "submit", "map_index": -1, "loop": "2"}
    assert sidecar(tmp_path)["landed_by"] == expected


def test_frames_and_prompt_go_into_the_sidecar(land: Land, tmp_path: Path) -> None:
    start = {"uri": "s3://frames/start.png", "width": 1280, "height": 720, "bytes": 9, "sha256": "aa"}
    land(frames=[start, None, {"uri": "https://h/end.png?sig=secret", "sha256": "bb"}], prompt="A rocket.")
    assert sidecar(tmp_path)["asked"]["prompt"] == "A rocket."
    assert sidecar(tmp_path)["asked"]["frames"] == [
        {"uri": "s3://frames/start.png", "sha256": "aa"},
        {"uri": "https://h/end.png", "sha256": "bb"},
    ]


@pytest.mark.parametrize("poster", [False, "False", "off"])
def test_without_a_poster(land: Land, tmp_path: Path, poster: object) -> None:
    assert land(poster=poster)["poster_uri"] is None
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == ["x.json", "x.mp4"]


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        ("s3://bucket", "the file name is missing"),
        ("s3://bucket/folder/", "the file name is missing"),
        ("s3:///x.mp4", "the bucket is missing"),
        ("x.mp4", "without a scheme"),
        ("s3://bucket/x", r"it must end in \.mp4"),
        ("s3://bucket/x.json", r"it must end in \.mp4"),
        ("https://host/x.mp4", "nothing can be stored over http"),
    ],
)
def test_destinations_are_checked_when_the_dag_is_parsed(destination: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as caught:
        ClipToObjectStorageOperator(task_id="land", clip="{{ x }}", destination=destination)
    assert isinstance(caught.value, AirflowFailException)


def test_rendered_destinations_are_checked_before_anything_is_fetched(
    server: FileServer, clip: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with DAG("templates", schedule=None):
        operator = ClipToObjectStorageOperator(task_id="land", clip=clip, destination="{{ params.where }}")
    operator.destination = "foo://bucket/x.mp4"
    with pytest.raises(InvalidArgument, match=r"`\[kling\] allowed_destinations` does not allow it"):
        operator.execute({})
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_DESTINATIONS", "foo://bucket")
    with pytest.raises(
        InvalidArgument, match="`destination` begins with foo://, which nothing here can open"
    ):
        operator.execute({})
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 5}, "`clip` is int; it must be the dict that GMICloudRequestSensor returns"),
        ({"clip": "not a request"}, "`clip` is 'not a request'; it must be the dict"),
        ({"clip": "{'request_id': "}, "`clip` is .* it must be the dict"),
        ({"clip": [{"request_id": "a"}, {"request_id": "b"}]}, r"map the landing over it with expand\(clip"),
        ({"clip": []}, "`clip` is '\\[\\]'; it must be the dict"),
        ({"clip": {"video_url": "http://h/x"}}, "`clip` has no request_id"),
        ({"duration": "five"}, "`duration` is 'five'; it must be a number"),
        ({"duration": True}, "`duration` is True"),
        ({"sound": "loud"}, "`sound` is 'loud'; it must be True or False"),
        ({"max_bytes": 1.5}, r"`max_bytes` is 1\.5; it must be a whole number"),
        ({"download_timeout": "nan"}, "`download_timeout` is 'nan'; it must be a finite number"),
        ({"frames": ["s3://frames/start.png"]}, "`frames` holds 's3://frames/start.png'; each must be what"),
        ({"destination_conn_id": "nowhere"}, "`destination`: the connection `nowhere` is not defined"),
    ],
)
def test_what_no_retry_can_help_fails_for_good(
    land: Land, server: FileServer, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        land(**options)
    assert server.requests == []


def test_a_clip_that_is_too_large_fails_for_good(land: Land) -> None:
    with pytest.raises(DownloadRefused, match=r"the limit is 1,000 bytes \(max_bytes\)") as caught:
        land(max_bytes="1000")
    assert isinstance(caught.value, AirflowFailException)


def test_a_slow_download_may_be_retried(land: Land, server: FileServer) -> None:
    server.faults = [status(503, Retry_After="60")]
    with pytest.raises(DownloadFailed, match="not done within 2 s") as caught:
        land(download_timeout="2")
    assert not isinstance(caught.value, AirflowFailException)


def test_the_log_names_no_signature(
    land: Land,
    server: FileServer,
    clip: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO")
    land(clip=clip | {"video_url": server.url + "?sig=secret"})
    said = caplog.text + "".join(capsys.readouterr())
    assert "secret" not in said
    assert "has landed at" in said
    assert "duration 5.04 s, asked for 5 s" in said


def test_lineage(land: Land, clip: dict[str, Any], tmp_path: Path) -> None:
    operator = ClipToObjectStorageOperator(
        task_id="land",
        clip=clip | {"video_url": clip["video_url"] + "?sig=secret"},
        destination=(tmp_path / "x.mp4").as_uri(),
        frames=[{"uri": "s3://frames/a/start.png", "sha256": "aa"}],
    )
    operator.execute({})
    found = operator.get_openlineage_facets_on_complete(None)
    host = clip["video_url"].removesuffix("/clip.mp4")
    assert [(at.namespace, at.name) for at in found.inputs] == [
        (host, "clip.mp4"),
        ("s3://frames", "a/start.png"),
    ]
    assert [(at.namespace, at.name) for at in found.outputs] == [
        ("file", str(tmp_path / name)) for name in ("x.mp4", "x.jpg", "x.json")
    ]


MAPPED = """
from airflow import DAG
from tests.airflow_versions import task
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

with DAG("clips_mapped", schedule=None, params={{"sound": True}}):

    @task
    def clips():
        return [{{"request_id": "r-%d" % n, "video_url": "{url}", "duration": 5}} for n in range(2)]

    @task
    def frame():
        return {{"uri": "s3://frames/start.png", "sha256": "aa"}}

    land = ClipToObjectStorageOperator.partial(
        task_id="land",
        destination="file://{folder}/{{{{ dag.dag_id }}}}/{{{{ ti.map_index }}}}.mp4",
        frames=[frame()],
        sound="{{{{ params.sound }}}}",
    ).expand(clip=clips())

    one = ClipToObjectStorageOperator(
        task_id="one",
        clip={{"request_id": "r-9", "video_url": "{url}"}},
        destination="file://{folder}/one.mp4",
    )

    @task
    def publish(uri, landed):
        return [uri, landed["sidecar_uri"]]

    publish(one.output["uri"], one.output)
"""


def test_it_maps_over_clips(
    dags_folder: Path, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "http://127.0.0.1")
    run = run_dag(dags_folder, "clips_mapped", MAPPED.format(url=server.url, folder=tmp_path))
    names = {"clips", "frame", "land[0]", "land[1]", "one", "publish"}
    assert run.states == dict.fromkeys(names, "success")
    assert run.result("publish") == [f"file://{tmp_path}/one.mp4", f"file://{tmp_path}/one.json"]
    assert run.result("land[1]")["request_id"] == "r-1"
    said = json.loads((tmp_path / "clips_mapped" / "1.json").read_text())
    assert said["asked"]["frames"] == [{"uri": "s3://frames/start.png", "sha256": "aa"}]
    assert said["checks"]["sound"] == "has sound, as asked for"


@pytest.mark.parametrize(
    "form",
    [
        lambda clip: clip,
        json.dumps,
        str,
        lambda clip: f"\n {json.dumps(clip)} ",
        lambda clip: [clip],
        lambda clip: json.dumps([clip]),
    ],
    ids=["dict", "JSON", "as a template renders it", "blanks around it", "list of one", "JSON of a list"],
)
def test_a_clip_in_any_form(land: Land, clip: dict[str, Any], form: Callable[[Any], Any]) -> None:
    assert land(clip=form(clip))["request_id"] == "request-1"


@pytest.mark.parametrize(
    "frames",
    [
        {"uri": "s3://frames/start.png", "sha256": "aa"},
        [{"uri": "s3://frames/start.png", "sha256": "aa"}],
        ({"uri": "s3://frames/start.png", "sha256": "aa"}, None),
        '{"uri": "s3://frames/start.png", "sha256": "aa"}',
        "[{'uri': 's3://frames/start.png', 'sha256': 'aa'}, None]",
    ],
    ids=["one", "list", "a skipped one", "JSON", "as a template renders it"],
)
def test_frames_in_any_form(land: Land, tmp_path: Path, frames: Any) -> None:
    land(frames=frames)
    assert sidecar(tmp_path)["asked"]["frames"] == [{"uri": "s3://frames/start.png", "sha256": "aa"}]


@pytest.mark.parametrize("kind", [str, Path, ObjectStoragePath])
def test_a_destination_in_any_form(land: Land, tmp_path: Path, kind: type) -> None:
    path = tmp_path / "my clip #1.mp4"
    landed = land(destination=path if kind is Path else kind(path.as_uri()))
    assert path.exists()
    assert landed["uri"] == path.as_uri()


@pytest.mark.parametrize(
    "name",
    [
        "destination_conn_id",
        "gmi_conn_id",
        "duration",
        "sound",
        "frames",
        "prompt",
        "poster",
        "max_bytes",
        "max_pixels",
        "download_timeout",
        "on_mismatch",
        "overwrite",
        "object_options",
    ],
)
@pytest.mark.parametrize("nothing", [None, "None", ""])
def test_none_from_a_param_means_not_given(
    land: Land, tmp_path: Path, name: str, nothing: str | None
) -> None:
    landed = land(**{name: nothing})
    assert landed["poster_uri"]
    assert sidecar(tmp_path)["asked"]["prompt"] is None


@pytest.mark.parametrize("timeout", [timedelta(seconds=30), 30, "30", 30.5])
def test_a_time_in_any_form(land: Land, timeout: Any) -> None:
    assert land(download_timeout=timeout)["request_id"] == "request-1"


def test_on_mismatch(land: Land, tmp_path: Path, clip: dict[str, Any]) -> None:
    land(clip=clip | {"duration": 9}, on_mismatch="warn")
    assert sidecar(tmp_path)["checks"]["duration"] == "5.04 s, asked for 9 s"
    with pytest.raises(InvalidArgument, match="`on_mismatch` is 'ignore'"):
        ClipToObjectStorageOperator(task_id="x", clip=clip, destination="s3://b/x.mp4", on_mismatch="ignore")


def test_what_is_not_ours_is_overwritten_on_demand_only(land: Land, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "x.json").write_text('{"my": "own"}')
    with pytest.raises(DestinationTaken, match="where the sidecar would go, exists") as caught:
        land()
    assert isinstance(caught.value, AirflowFailException)
    assert "The clip was generated and paid for." in str(caught.value)
    assert land(overwrite="true")["request_id"] == "request-1"


def test_a_clip_that_was_bought_anew_replaces_the_first_on_demand_only(
    server: FileServer, clip: dict[str, Any], tmp_path: Path
) -> None:
    """As after ``take=2``, or a clear with ``on_clear="buy"``: the same task lands another request."""

    def landing(request_id: str, **options: Any) -> dict[str, Any]:
        operator = ClipToObjectStorageOperator(
            task_id="land",
            clip=clip | {"request_id": request_id},
            destination=(tmp_path / "x.mp4").as_uri(),
            **options,
        )
        return operator.execute(context())

    landing("r-1")
    fetched = len(server.requests)
    with pytest.raises(DestinationTaken, match="which an earlier try of this task has landed") as caught:
        landing("r-2")
    assert isinstance(caught.value, AirflowFailException)
    assert "The clip was generated and paid for." in str(caught.value)
    assert "the number of the `take`" in str(caught.value)
    assert len(server.requests) == fetched
    assert json.loads((tmp_path / "x.json").read_text())["request_id"] == "r-1"
    assert landing("r-2", overwrite=True)["request_id"] == "r-2"


def test_the_error_of_a_dead_address_that_could_not_be_renewed_says_both(
    land: Land, server: FileServer
) -> None:
    server.faults = [status(404)]
    with pytest.raises(Unauthorized, match=r"answered 404 .*`gmi_cloud_default` is not defined") as caught:
        land()
    assert "The clip was generated and paid for." in str(caught.value)


def test_a_clip_from_data_on_a_private_host_is_not_fetched(
    server: FileServer, clip: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def landing() -> dict[str, Any]:
        with DAG("data", schedule=None):
            operator = ClipToObjectStorageOperator(
                task_id="land", clip="{{ params.clip }}", destination=(tmp_path / "x.mp4").as_uri()
            )
        operator.clip = clip
        return operator.execute({})

    with pytest.raises(DownloadRefused, match="which is private or link-local"):
        landing()
    assert server.requests == []
    connect(monkeypatch, server.url.removesuffix("/clip.mp4"))
    assert landing()["request_id"] == "request-1"


LANDED = """
from tests.airflow_versions import DAG, Asset, AssetAlias, task
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

with DAG("landed", schedule=None):
    land = ClipToObjectStorageOperator(
        task_id="land",
        clip={"request_id": "r-1", "video_url": "URL", "duration": 5, "cost_usd": 1.26},
        destination="file://FOLDER/x.mp4",
        outlets=[Asset("file://FOLDER/x.mp4"), AssetAlias("clips")],
    )
    @task
    def uri(value):
        return value

    uri(land.output["uri"])
"""


@needs_airflow("3.0", "assets")
def test_xcoms_are_the_dict_and_the_uri_and_asset_events_say_which_clip_it_is(
    dags_folder: Path, server: FileServer, tmp_path: Path
) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    from tests.airflow_versions import XComModel

    run = run_dag(dags_folder, "landed", LANDED.replace("URL", server.url).replace("FOLDER", str(tmp_path)))
    assert run.states == {"land": "success", "uri": "success"}
    landed = run.result("land")
    assert run.result("uri") == landed["uri"] == f"file://{tmp_path}/x.mp4"
    with create_session() as session:
        keys = {row.key for row in session.query(XComModel).filter_by(dag_id="landed", task_id="land")}
        events = [event.extra for event in session.query(AssetEvent).filter_by(source_dag_id="landed")]
    assert keys == {"return_value", "uri"}, "no XCom for a link that there is no address of"
    assert events
    for extra in events:
        assert extra["request_id"] == "r-1"
        assert extra["cost_usd"] == 1.26
        assert extra["duration_seconds"] == landed["duration_seconds"]
        assert extra["sha256"] == landed["sha256"]
    said = json.loads((tmp_path / "x.json").read_text())
    assert said["landed_by"]["task_id"] == "land"


@needs_airflow("3.0", "operators that may be executed in several threads")
@pytest.mark.parametrize("round_", range(5))
def test_of_landings_at_the_same_moment_one_wins_whole(
    server: FileServer, clip: dict[str, Any], movie: bytes, tmp_path: Path, round_: int
) -> None:
    together = threading.Barrier(3, timeout=60)

    def serve_together(handler: BaseHTTPRequestHandler, running: FileServer) -> None:
        together.wait()
        serve(handler, running)

    def landing(request_id: str) -> str:
        operator = ClipToObjectStorageOperator(
            task_id=f"land_{request_id}",
            clip=clip | {"request_id": request_id},
            destination=(tmp_path / "x.mp4").as_uri(),
        )
        try:
            return str(operator.execute({})["request_id"])
        except DestinationTaken as error:
            return str(error)

    server.faults = [serve_together] * 3
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(landing, ["r-0", "r-1", "r-2"]))
    winners = [result for result in results if result.startswith("r-")]
    assert len(winners) == 1, results
    assert all("landed at" in result or "has finished at" in result for result in set(results) - set(winners))
    said = json.loads((tmp_path / "x.json").read_text())
    assert said["request_id"] == winners[0]
    assert (tmp_path / "x.mp4").read_bytes() == movie
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jpg", "x.json", "x.mp4"]
