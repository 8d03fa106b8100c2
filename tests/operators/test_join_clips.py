"""JoinClipsOperator, on a real Airflow and a real store."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from moto.s3.responses import S3Response
from PIL import Image

from kling_airflow.airflow_compat import AirflowFailException
from kling_airflow.exceptions import (
    DestinationTaken,
    GenerationFailed,
    InvalidArgument,
    InvalidClip,
    StorageFailed,
)
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.credentials import C2PA
from kling_airflow.operators.join_clips import JoinClipsOperator
from tests.airflow_context import context
from tests.airflow_versions import AIRFLOW
from tests.dag_runs import run_dag
from tests.media.credentials import with_credentials
from tests.media.film.clips import clap
from tests.media.test_schemas import FILM
from tests.media.test_signing import make_key
from tests.s3 import S3

CONNECTIONS = {"source_conn_id": S3.conn_id, "destination_conn_id": S3.conn_id}


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("movies")
    return {
        "one": clap(folder / "one.mp4", at=4).read_bytes(),
        "two": clap(folder / "two.mp4", at=8).read_bytes(),
        "tall": clap(folder / "tall.mp4", size=(48, 64), sound=None).read_bytes(),
    }


@pytest.fixture
def bucket(s3: S3, movies: dict[str, bytes]) -> str:
    name = s3.bucket()
    for key, data in movies.items():
        s3.put(name, f"clips/{key}.mp4", data)
    return name


def film(bucket: str, *names: str, **options: Any) -> dict[str, Any]:
    given = {
        "clips": [{"uri": f"s3://{bucket}/clips/{name}.mp4", "prompt": f"Shot {name}."} for name in names],
        "destination": f"s3://{bucket}/film/x.mp4",
        "preset": "ultrafast",
    }
    return JoinClipsOperator(task_id="join", **(CONNECTIONS | given | options)).execute(context())


def sidecar(s3: S3, bucket: str) -> dict[str, Any]:
    return json.loads(s3.get(bucket, "film/x.json"))


def test_a_film_lands_with_what_belongs_to_it(s3: S3, bucket: str, tmp_path: Path) -> None:
    made = film(
        bucket, "one", "two", "one", captions="prompts", variants=["9:16", "1:1"], preview="gif", fit="blur"
    )
    assert sorted(key.removeprefix("film/") for key in s3.keys(bucket) if key.startswith("film/")) == [
        "x.1x1.mp4",
        "x.9x16.mp4",
        "x.gif",
        "x.jpg",
        "x.json",
        "x.mp4",
        "x.otio",
        "x.srt",
        "x.vtt",
    ]
    data = s3.get(bucket, "film/x.mp4")
    assert made["uri"] == f"s3://{bucket}/film/x.mp4"
    assert made["sha256"] == hashlib.sha256(data).hexdigest()
    assert made["variants"] == {
        ratio: f"s3://{bucket}/film/x.{ratio.replace(':', 'x')}.mp4" for ratio in ("9:16", "1:1")
    }
    assert (made["clips"], made["width"], made["height"], made["has_audio"]) == (3, 64, 48, True)
    assert made["duration_seconds"] == pytest.approx(3)
    (tmp_path / "v.mp4").write_bytes(s3.get(bucket, "film/x.9x16.mp4"))
    info = check_clip(tmp_path / "v.mp4", duration=3, sound=True)
    assert (info.width, info.height) == (48, 84)
    picture = Image.open(io.BytesIO(s3.get(bucket, "film/x.gif")))
    assert (picture.format, picture.size) == ("GIF", (320, 240))
    assert picture.n_frames > 1  # pictures that are alike are one, shown for longer
    assert s3.client.head_object(Bucket=bucket, Key="film/x.vtt")["ContentType"] == "text/vtt"


def test_the_sidecar_fits_its_schema_and_names_every_file(s3: S3, bucket: str) -> None:
    film(bucket, "one", "tall", captions="prompts", preview="webp", variants="1:1")
    said = sidecar(s3, bucket)
    jsonschema.validate(said, FILM)
    assert said["made"]["pictures"] == "encoded"
    assert said["landed_by"]["task_id"] == "submit"
    for file in (said["clip"], said["poster"], *said["files"], *said["shots"]):
        data = s3.get(bucket, file["uri"].removeprefix(f"s3://{bucket}/"))
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])


def test_a_second_run_does_nothing(s3: S3, bucket: str) -> None:
    first = film(bucket, "one", "two")
    before = s3.client.head_object(Bucket=bucket, Key="film/x.mp4")["LastModified"], sidecar(s3, bucket)
    assert film(bucket, "one", "two") == first
    assert (
        s3.client.head_object(Bucket=bucket, Key="film/x.mp4")["LastModified"],
        sidecar(s3, bucket),
    ) == before


@pytest.mark.parametrize("missing", ["x.otio", "x.jpg", "x.mp4"])
def test_a_file_that_is_lost_is_made_again(s3: S3, bucket: str, missing: str) -> None:
    film(bucket, "one", "two")
    s3.client.delete_object(Bucket=bucket, Key=f"film/{missing}")
    film(bucket, "one", "two")
    assert f"film/{missing}" in s3.keys(bucket)


def test_another_film_replaces_an_older_one_of_ours(s3: S3, bucket: str) -> None:
    first = film(bucket, "one", "two")
    second = film(bucket, "two", "one")
    assert first["request_id"] != second["request_id"]
    assert sidecar(s3, bucket)["request_id"] == second["request_id"]


@pytest.mark.parametrize("name", ["x.mp4", "x.otio", "x.json", "x.jpg", "x.9x16.mp4"])
def test_no_file_of_another_is_overwritten(s3: S3, bucket: str, name: str) -> None:
    s3.put(bucket, f"film/{name}", b"mine")
    with pytest.raises(DestinationTaken, match=rf"film/{name}.*exists, and no sidecar") as caught:
        film(bucket, "one", variants=["9:16"])
    assert isinstance(caught.value, AirflowFailException)
    assert s3.get(bucket, f"film/{name}") == b"mine"
    film(bucket, "one", variants=["9:16"], overwrite=True)
    assert s3.get(bucket, f"film/{name}") != b"mine"


def test_what_another_task_has_landed_is_replaced_on_demand_only(s3: S3, bucket: str) -> None:
    """The address of a film that is that of a landed clip, which was paid for."""
    film(bucket, "one")
    landed = sidecar(s3, bucket)
    landed["landed_by"] = landed["landed_by"] | {"task_id": "land"}
    s3.put(bucket, "film/x.json", json.dumps(landed).encode())
    before = s3.get(bucket, "film/x.mp4")
    with pytest.raises(DestinationTaken, match=r"holds what dag\.land\[-1\] has landed"):
        film(bucket, "one", "two")
    assert s3.get(bucket, "film/x.mp4") == before
    film(bucket, "one", "two", overwrite=True)
    assert s3.get(bucket, "film/x.mp4") != before


def test_a_film_never_replaces_one_of_its_clips(s3: S3, bucket: str, movies: dict[str, bytes]) -> None:
    with pytest.raises(DestinationTaken, match="is one of `clips`"):
        film(bucket, "one", "two", destination=f"s3://{bucket}/clips/one.mp4", overwrite=True)
    assert s3.get(bucket, "clips/one.mp4") == movies["one"]


def test_what_landings_return_and_their_sidecars_say(s3: S3, bucket: str) -> None:
    s3.put(
        bucket,
        "clips/one.json",
        json.dumps(
            {"request_id": "r-1", "model": "kling", "asked": {"prompt": "A rocket."}, "cost_usd": 1.26}
        ).encode(),
    )
    clips = [
        {"uri": f"s3://{bucket}/clips/one.mp4", "sha256": "ignored", "request_id": "r-1"},
        {
            "uri": f"s3://{bucket}/clips/two.mp4",
            "take": 2,
            "cost_usd": "0.5",
            "label": "end",
            "prompt": "It <lands> & rests.",
        },
    ]
    made = film(bucket, clips=clips, captions="prompts")
    assert made["cost_usd"] == pytest.approx(1.76)
    said = sidecar(s3, bucket)["shots"]
    assert [(shot["request_id"], shot["take"], shot["label"], shot["prompt"]) for shot in said] == [
        ("r-1", None, None, "A rocket."),
        (None, 2, "end", "It <lands> & rests."),
    ]
    assert s3.get(bucket, "film/x.vtt").decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nA rocket.\n\n"
        "00:00:01.000 --> 00:00:02.000\nIt &lt;lands&gt; &amp; rests.\n"
    )


def test_captions_from_a_file(s3: S3, bucket: str) -> None:
    s3.put(bucket, "words.srt", b"1\n00:00:00,500 --> 00:00:01,000\nHello\n")
    film(bucket, "one", captions=f"s3://{bucket}/words.srt")
    assert b"00:00:00.500 --> 00:00:01.000\nHello" in s3.get(bucket, "film/x.vtt")


def test_music_from_the_store(s3: S3, bucket: str) -> None:
    s3.put(bucket, "music.mp4", s3.get(bucket, "clips/one.mp4"))
    made = film(bucket, "tall", music=f"s3://{bucket}/music.mp4", fade_out="0.2", ducking="off")
    assert made["has_audio"] is True
    assert sidecar(s3, bucket)["asked"]["music"]["ducking"] is False
    assert sidecar(s3, bucket)["asked"]["music"]["path"].startswith("sha256:")


def test_credentials_of_clips_are_named_and_never_dropped_in_silence(
    s3: S3, bucket: str, movies: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    s3.put(bucket, "clips/signed.mp4", with_credentials(movies["one"]))
    film(bucket, "signed", "two")
    first, second = sidecar(s3, bucket)["shots"]
    assert first["credentials"]["kind"] == "c2pa"
    assert second["credentials"] is None
    assert sidecar(s3, bucket)["credentials"] is None
    assert "Content credentials (C2PA) are in 1 of the clips: signed" in caplog.text


def test_a_signed_film_says_of_what_it_is_made(s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")
    key = make_key()
    extra = {"certificates": key.certificates, "algorithm": "es256"}
    connection = {"conn_type": "generic", "password": key.private_key, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_STUDIO", json.dumps(connection))
    made = film(bucket, "one", "two", variants=["1:1"], signing_conn_id="studio")
    said = sidecar(s3, bucket)
    jsonschema.validate(said, FILM)
    assert said["credentials"]["kind"] == "c2pa"
    assert said["asked"]["signed_with"].startswith("sha256:")
    assert key.private_key not in json.dumps(said)
    assert C2PA in s3.get(bucket, "film/x.1x1.mp4")
    assert film(bucket, "one", "two", variants=["1:1"], signing_conn_id="studio") == made


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "no list": ({"clips": "none"}, InvalidArgument, "`clips` is 'None'; it must be a list"),
    "an empty list": ({"clips": []}, InvalidArgument, "`clips` is empty"),
    "a hole": ({"clips": ["{one}", None]}, InvalidArgument, "`clips` has nothing at position 2 of 2"),
    "a failed shot": (
        {"clips": ["{one}", {"error": "Too dark.", "label": "end", "money": ""}]},
        GenerationFailed,
        "There is no clip of shot 'end': Too dark",
    ),
    "not a video": ({"clips": ["{one}", "{page}"]}, InvalidClip, r"^Clip 2 \(page\): .*can't be read as MP4"),
    "not there": ({"clips": ["{none}"]}, InvalidArgument, r"`clips\[0\]` is s3://.*which does not exist"),
    "a bucket that is not there": (
        {"destination": "s3://no-such-bucket/x.mp4"},
        InvalidArgument,
        "`destination` is s3://no-such-bucket/.*, whose bucket does not exist",
    ),
    "a clip too large": ({"max_bytes": 100}, InvalidArgument, r"`clips\[0\]` .*more than 100 bytes"),
    "a variant": ({"variants": ["2:1"]}, InvalidArgument, "`variants` holds '2:1'"),
    "a preview": ({"preview": "avi"}, InvalidArgument, "`preview` is 'avi'"),
    "music without sound": ({"music": "{tall}"}, InvalidClip, "The music"),
    "no prompts": (
        {"clips": ["{one}"], "captions": "prompts"},
        InvalidArgument,
        "`captions` is 'prompts', and no clip's prompt is known",
    ),
    "captions": ({"captions": "{page}"}, InvalidArgument, "`captions` holds no captions"),
    "a signing connection": (
        {"signing_conn_id": "nowhere"},
        InvalidArgument,
        "`signing_conn_id`: the connection `nowhere` is not defined",
    ),
    "a loudness": ({"loudness": "loud"}, InvalidArgument, "`loudness` is 'loud'; it must be a number"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input(s3: S3, bucket: str, kind: str) -> None:
    options, error, message = BAD[kind]
    s3.put(bucket, "clips/page.mp4", b"<html>no</html>")

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(each) for each in value]
        if isinstance(value, str) and value.startswith("{"):
            return f"s3://{bucket}/clips/{value.strip('{}')}.mp4"
        return value

    with pytest.raises(error, match=message):
        film(bucket, "one", **{name: filled(value) for name, value in options.items()})
    assert not [key for key in s3.keys(bucket) if key.startswith("film/")]


def test_a_bucket_one_may_not_write_to(bucket: str, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = (403, {}, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    monkeypatch.setattr(S3Response, "put_object", lambda self: denied)
    with pytest.raises(StorageFailed, match=r"`destination`.*can't be created: PermissionError") as caught:
        film(bucket, "one")
    assert "No money was spent" in str(caught.value)
    assert not [key for key in s3.keys(bucket) if key.startswith("film/")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"destination": "s3://bucket/x.mov"}, r"it must end in \.mp4"),
        ({"shape": "2:1"}, "`shape` is '2:1'"),
        ({"fit": "stretch"}, "`fit` is 'stretch'"),
        ({"transition": "spin"}, "`transition` is 'spin'"),
        ({"preset": "fastest"}, "`preset` is 'fastest'"),
    ],
)
def test_literals_are_checked_when_the_dag_is_parsed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        JoinClipsOperator(task_id="join", **({"clips": [], "destination": "s3://bucket/b.mp4"} | options))


def test_addresses_out_of_data_are_confined(bucket: str, tmp_path: Path) -> None:
    operator = JoinClipsOperator(
        task_id="x", clips="{{ params.x }}", destination=f"s3://{bucket}/x.mp4", **CONNECTIONS
    )
    operator.clips = [(tmp_path / "secret.mp4").as_uri()]
    with pytest.raises(InvalidArgument, match=r"`clips\[0\]` is file://.* is not written in the DAG's code"):
        operator.execute(context())


DAG_CODE = """
from airflow import DAG
from tests.airflow_versions import Asset
from kling_airflow.operators.extract_frame import ExtractFrameOperator
from kling_airflow.operators.join_clips import JoinClipsOperator

with DAG("films", schedule=None):
    conns = dict(source_conn_id="{conn}", destination_conn_id="{conn}")
    join = JoinClipsOperator(
        task_id="join",
        clips=["s3://{bucket}/clips/one.mp4", "s3://{bucket}/clips/two.mp4"],
        destination="s3://{bucket}/{{{{ run_id }}}}/film.mp4",
        transition="{{{{ 'fade' }}}}",
        transition_seconds="0.1",
        preset="ultrafast",
        outlets=[Asset("films")],
        **conns,
    )
    frames = ExtractFrameOperator.partial(task_id="frames", clip=join.output, **conns).expand_kwargs(
        [dict(destination="s3://{bucket}/" + at + ".png", at=at) for at in ("first", "last")]
    )
"""


def test_in_a_dag_the_film_goes_on_to_mapped_tasks(dags_folder: Path, s3: S3, bucket: str) -> None:
    run = run_dag(dags_folder, "films", DAG_CODE.format(bucket=bucket, conn=S3.conn_id))
    assert set(run.states.values()) == {"success"}
    assert run.result("join")["duration_seconds"] == pytest.approx(2 - 2 / 24, abs=0.001)
    assert run.result("frames[1]")["uri"] == f"s3://{bucket}/last.png"
    assert {"first.png", "last.png"} <= set(s3.keys(bucket))
    if AIRFLOW.major > 2:
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session

        with create_session() as session:
            (event,) = session.query(AssetEvent).filter_by(source_dag_id="films")
            assert (event.extra["uri"], event.extra["clips"]) == (run.result("join")["uri"], 2)


def test_lineage(bucket: str) -> None:
    operator = JoinClipsOperator(
        task_id="join",
        clips=[f"s3://{bucket}/clips/one.mp4"],
        destination=f"s3://{bucket}/x.mp4",
        **CONNECTIONS,
    )
    operator.execute(context())
    found = operator.get_openlineage_facets_on_complete(None)
    assert [at.name for at in found.inputs] == ["clips/one.mp4"]
    assert [at.name for at in found.outputs] == ["x.mp4", "x.jpg", "x.json", "x.otio"]
