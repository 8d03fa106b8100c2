"""ExtractFrameOperator, on a real Airflow and a real store."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.airflow_compat import AirflowFailException, as_outputs
from kling_airflow.exceptions import InvalidArgument, InvalidClip
from kling_airflow.media.film.frames import first_frame, frame_png, last_frame
from kling_airflow.operators.extract_frame import ExtractFrameOperator
from tests.media.file_server import FileServer
from tests.media.movies import write_clip
from tests.s3 import S3

CONNECTIONS = {"source_conn_id": S3.conn_id, "destination_conn_id": S3.conn_id}


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("movie") / "x.mp4", frames=25, size=(64, 48))


@pytest.fixture
def bucket(s3: S3, movie: Path) -> str:
    name = s3.bucket()
    s3.put(name, "clip.mp4", movie.read_bytes())
    return name


def extract(bucket: str, name: str = "x.png", **options: Any) -> Any:
    given = {"clip": f"s3://{bucket}/clip.mp4", "destination": f"s3://{bucket}/{name}"}
    return ExtractFrameOperator(task_id="extract", **(CONNECTIONS | given | options)).execute({})


def test_the_last_frame_by_default(s3: S3, bucket: str, movie: Path) -> None:
    made = extract(bucket)
    data = s3.get(bucket, "x.png")
    assert data == last_frame(movie)
    expected = {
        "uri": f"s3://{bucket}/x.png",
        "width": 64,
        "height": 48,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "format": "png",
        "seconds": None,
    }
    assert made == as_outputs(expected)
    assert s3.client.head_object(Bucket=bucket, Key="x.png")["ContentType"] == "image/png"


@pytest.mark.parametrize(("at", "seconds"), [("first", 0), ("0.5", 0.5), (0.5, 0.5), (" Last ", None)])
def test_a_frame_of_a_moment(s3: S3, bucket: str, movie: Path, at: object, seconds: float | None) -> None:
    assert extract(bucket, at=at).get("seconds") == seconds
    wanted = last_frame(movie) if seconds is None else frame_png(movie, seconds)
    assert s3.get(bucket, "x.png") == wanted


def test_every_n_seconds(s3: S3, bucket: str, movie: Path) -> None:
    made = extract(bucket, every="0.5")
    assert [(frame["uri"].rpartition("/")[2], frame["seconds"]) for frame in made] == [
        ("x.0001.png", 0),
        ("x.0002.png", 0.5),
        ("x.0003.png", 1),
    ]
    assert s3.get(bucket, "x.0001.png") == first_frame(movie)
    assert "x.png" not in s3.keys(bucket)


def test_what_a_landing_or_a_sensor_hands_on(bucket: str, movie: Path) -> None:
    landed = extract(bucket, clip={"uri": f"s3://{bucket}/clip.mp4", "sha256": "..."})
    with FileServer(movie.read_bytes()).running() as server:
        seen = extract(bucket, clip={"request_id": "r", "video_url": server.url})
    assert landed["sha256"] == seen["sha256"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"destination": "s3://bucket/x.jpg"}, r"`destination` is 's3://bucket/x\.jpg'; it must be .* \.png"),
        ({"at": "end"}, "`at` is 'end'; it must be `first`, `last` or a number of seconds"),
        ({"every": 0}, "`every` is 0; it must be a number of seconds above 0"),
    ],
)
def test_literals_are_checked_when_the_dag_is_parsed(options: dict[str, Any], message: str) -> None:
    good = {"clip": "s3://bucket/a.mp4", "destination": "s3://bucket/b.png"}
    with pytest.raises(InvalidArgument, match=message):
        ExtractFrameOperator(task_id="extract", **(good | options))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"at": 9}, InvalidArgument, r"`seconds` is 9; the clip lasts 1\.04 s"),
        ({"max_bytes": 100}, InvalidArgument, r"`clip` is s3://.*more than 100 bytes"),
        ({"max_pixels": 1000}, InvalidClip, r"can't be (read|decoded)|at most 1,000 are decoded"),
        ({"clip": None}, InvalidArgument, "`clip` is None; it must be an address"),
        ({"clip": "file:///etc/hostname"}, InvalidClip, "can't be read as MP4"),
    ],
)
def test_what_is_refused(bucket: str, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        extract(bucket, **options)


def test_a_clip_that_is_not_there(bucket: str) -> None:
    with pytest.raises(InvalidArgument, match=r"`clip` is s3://.*/none\.mp4, which does not exist") as caught:
        extract(bucket, clip=f"s3://{bucket}/none.mp4")
    assert isinstance(caught.value, AirflowFailException)


def test_an_address_out_of_data_is_confined(bucket: str, tmp_path: Path) -> None:
    operator = ExtractFrameOperator(
        task_id="x", clip="{{ params.x }}", destination=f"s3://{bucket}/x.png", **CONNECTIONS
    )
    operator.clip = (tmp_path / "secret.mp4").as_uri()
    with pytest.raises(InvalidArgument, match=r"`clip` is file://.* is not written in the DAG's code"):
        operator.execute({})


def test_lineage(bucket: str) -> None:
    operator = ExtractFrameOperator(
        task_id="extract", clip=f"s3://{bucket}/clip.mp4", destination=f"s3://{bucket}/x.png", **CONNECTIONS
    )
    operator.execute({})
    found = operator.get_openlineage_facets_on_complete(None)
    assert [at.name for at in (*found.inputs, *found.outputs)] == ["clip.mp4", "x.png"]
