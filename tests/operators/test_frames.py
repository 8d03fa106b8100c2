"""PrepareFrameOperator, on a real Airflow and a real store."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.airflow_compat import DAG, AirflowException, AirflowFailException
from kling_airflow.exceptions import InvalidArgument, InvalidFrame
from kling_airflow.operators.frames import PrepareFrameOperator
from tests.dag_runs import run_dag
from tests.media.file_server import FileServer, status
from tests.media.pictures import BLUE, HUBBLE, ROCKET, encoded, opened, quarters
from tests.s3 import S3

CONNECTIONS = {"source_conn_id": S3.conn_id, "destination_conn_id": S3.conn_id}


@pytest.fixture
def bucket(s3: S3) -> str:
    name = s3.bucket()
    s3.put(name, "rocket.jpg", ROCKET.read_bytes())
    s3.put(name, "hubble.jpg", HUBBLE.read_bytes())
    return name


def prepare(**options: Any) -> dict[str, Any]:
    return PrepareFrameOperator(task_id="prepare", **(CONNECTIONS | options)).execute({})


def test_from_store_to_store(s3: S3, bucket: str) -> None:
    made = prepare(source=f"s3://{bucket}/hubble.jpg", destination=f"s3://{bucket}/frames/start.jpg")
    data = s3.get(bucket, "frames/start.jpg")
    assert made == {
        "uri": f"s3://{bucket}/frames/start.jpg",
        "width": 992,
        "height": 558,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "format": "jpeg",
    }
    assert opened(data).size == (992, 558)
    assert s3.client.head_object(Bucket=bucket, Key="frames/start.jpg")["ContentType"] == "image/jpeg"


def test_a_retry_makes_the_same_bytes(bucket: str) -> None:
    options = {"source": f"s3://{bucket}/rocket.jpg", "destination": f"s3://{bucket}/start.png"}
    assert prepare(**options) == prepare(**options)


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("s3://{bucket}/rocket.jpg", "s3://{bucket}/rocket.jpg"),
        ("s3://{bucket}/rocket.jpg?versionId=1", "s3://{bucket}/rocket.jpg"),
        ("s3a://{bucket}/rocket.jpg", "s3://{conn_id}@{bucket}/rocket.jpg"),
        ("{folder}/my%20frame.jpg", "{folder}/x/../my frame.jpg"),
    ],
)
def test_a_frame_never_replaces_its_own_picture(
    s3: S3, bucket: str, tmp_path: Path, source: str, destination: str
) -> None:
    (tmp_path / "my frame.jpg").write_bytes(b"mine")
    before = s3.get(bucket, "rocket.jpg")
    places = {"bucket": bucket, "conn_id": S3.conn_id, "folder": tmp_path.as_uri()}
    with pytest.raises(InvalidArgument, match="which is `source`: the frame would replace your picture"):
        prepare(source=source.format(**places), destination=destination.format(**places))
    assert s3.get(bucket, "rocket.jpg") == before
    assert (tmp_path / "my frame.jpg").read_bytes() == b"mine"


def test_from_the_web_to_the_disk(s3: S3, tmp_path: Path) -> None:
    with FileServer(encoded(quarters(2000, 1500))).running() as server:
        url = f"{server.url}?alt=media&generation=5#x"
        made = prepare(source=url, destination=(tmp_path / "new" / "x.png").as_uri())
    assert (made["format"], made["width"], made["height"]) == ("png", 1280, 720)
    assert made["uri"] == f"file://{tmp_path}/new/x.png"
    assert hashlib.sha256((tmp_path / "new" / "x.png").read_bytes()).hexdigest() == made["sha256"]


@pytest.mark.parametrize(
    ("name", "asked", "made"),
    [
        ("x.jpg", None, "jpeg"),
        ("x.JPEG", None, "jpeg"),
        ("x.png", None, "png"),
        ("x.png", "jpeg", "jpeg"),
        ("x.frame", "png", "png"),
        ("x.png", "", "png"),
    ],
)
def test_the_format_is_what_was_asked_for_or_what_the_name_says(
    bucket: str, name: str, asked: str | None, made: str
) -> None:
    result = prepare(source=f"s3://{bucket}/rocket.jpg", destination=f"s3://{bucket}/{name}", format=asked)
    assert result["format"] == made


def test_every_option_arrives(bucket: str, s3: S3) -> None:
    s3.put(bucket, "square.png", encoded(quarters(1600, 1600)))
    made = prepare(
        source=f"s3://{bucket}/square.png",
        destination=f"s3://{bucket}/x.png",
        aspect_ratio="9:16",
        fit="contain",
        background="#0a141e",
        short_side="1080",
    )
    image = opened(s3.get(bucket, "x.png"))
    assert (made["width"], made["height"]) == image.size == (1080, 1920)
    assert image.getpixel((5, 5)) == (10, 20, 30)
    low, high = (
        prepare(source=f"s3://{bucket}/hubble.jpg", destination=f"s3://{bucket}/{q}.jpg", quality=q)["bytes"]
        for q in (50, "95")
    )
    assert low * 2 < high
    top = prepare(
        source=f"s3://{bucket}/square.png", destination=f"s3://{bucket}/y.png", fit="cover", gravity="bottom"
    )
    assert opened(s3.get(bucket, "y.png")).getpixel((5, 200)) == BLUE
    assert top["sha256"] != made["sha256"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_bytes": 1000}, InvalidArgument, r"`source` is s3://.*more than 1,000 bytes \(max_bytes\)"),
        ({"max_bytes": "many"}, InvalidArgument, r"`max_bytes` is 'many'; it must be a number"),
        ({"max_pixels": 1000}, InvalidFrame, r"640 x 427 px, 273,280 pixels; the limit is 1,000"),
        ({"background": "blurr"}, InvalidArgument, r"`background` is 'blurr'"),
        ({"quality": 4.5}, InvalidArgument, r"`quality` is 4\.5; it must be a whole number"),
        ({"quality": 101}, InvalidArgument, r"`quality` is 101; it must be from 40 to 100"),
        ({"format": "webp"}, InvalidArgument, r"`format` is 'webp'; it must be one of jpeg, png"),
        (
            {"source_conn_id": "nowhere"},
            InvalidArgument,
            r"`source`: the connection `nowhere` is not defined",
        ),
        ({"destination_conn_id": "nowhere"}, InvalidArgument, r"`destination`: the connection `nowhere`"),
    ],
)
def test_what_no_retry_can_help_fails_for_good(
    bucket: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        prepare(source=f"s3://{bucket}/rocket.jpg", destination=f"s3://{bucket}/x.jpg", **options)
    assert isinstance(caught.value, AirflowFailException)


def test_sources_that_are_no_picture_or_not_there(s3: S3, bucket: str) -> None:
    s3.put(bucket, "page.jpg", b"<html>Not found</html>")
    with pytest.raises(InvalidFrame, match="not a picture that can be read"):
        prepare(source=f"s3://{bucket}/page.jpg", destination=f"s3://{bucket}/x.jpg")
    with pytest.raises(InvalidArgument, match=r"`source` is s3://.*/none\.jpg, which does not exist"):
        prepare(source=f"s3://{bucket}/none.jpg", destination=f"s3://{bucket}/x.jpg")
    with pytest.raises(InvalidArgument, match=r"`destination` is s3://no-such-bucket/x\.jpg, whose bucket"):
        prepare(source=f"s3://{bucket}/rocket.jpg", destination="s3://no-such-bucket/x.jpg")
    assert "x.jpg" not in s3.keys(bucket)


def test_a_download_that_may_work_later_may_be_retried(tmp_path: Path) -> None:
    with FileServer(b"").running() as server:
        server.faults = [status(404)]
        with pytest.raises(AirflowException, match="answered 404") as caught:
            prepare(source=server.url + "?X-Amz-Signature=secret", destination=f"{tmp_path.as_uri()}/x.jpg")
    assert not isinstance(caught.value, AirflowFailException)
    assert "secret" not in str(caught.value)


def test_a_signed_source_is_not_in_the_log(
    s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with FileServer(ROCKET.read_bytes()).running() as server:
        prepare(source=server.url + "?sig=secret", destination=f"{tmp_path.as_uri()}/x.jpg")
    said = caplog.text + "".join(capsys.readouterr())
    assert "clip.mp4: 112525 bytes" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "rocket.jpg"}, "`source` is 'rocket.jpg', without a scheme"),
        ({"source": "s3:///rocket.jpg"}, "`source` is 's3:///rocket.jpg': the bucket is missing"),
        ({"source": "s3://bucket/"}, "`source` is 's3://bucket/': the file name is missing"),
        ({"source": ""}, "`source` is ''"),
        ({"destination": "s3://bucket"}, "`destination` is 's3://bucket/': the file name is missing"),
        (
            {"source": "data:image/png;base64," + "A" * 99_999},
            r"^`source` is a `data:` URL \(image/png, 100,021 char",
        ),
        ({"destination": "s3://bucket/frame"}, r"its name must end in \.jpg, \.jpeg, \.png, or `format`"),
        ({"aspect_ratio": "4:3"}, "`aspect_ratio` is '4:3'"),
        ({"fit": "crop"}, "`fit` is 'crop'"),
        ({"gravity": "north"}, "`gravity` is 'north'"),
        ({"short_side": 100}, "`short_side` is 100; it must be from 432 to 2160"),
    ],
)
def test_literals_are_checked_when_the_dag_is_parsed(options: dict[str, Any], message: str) -> None:
    good = {"source": "s3://bucket/a.jpg", "destination": "s3://bucket/b.jpg"}
    with pytest.raises(InvalidArgument, match=message):
        PrepareFrameOperator(task_id="prepare", **(good | options))


def test_templates_and_xcoms_are_checked_when_they_are_known() -> None:
    with DAG("templates", schedule=None):
        first = PrepareFrameOperator(
            task_id="first",
            source="{{ params.source }}",
            destination="{% if true %}s3{% endif %}",
            aspect_ratio="{{ params.aspect_ratio }}",
            fit="{{ params.fit }}",
            short_side="{{ params.size }}",
        )
        PrepareFrameOperator(
            task_id="second", source=first.output["uri"], destination=first.output["uri"], fit=first.output
        )
    first.aspect_ratio, first.fit, first.short_side, first.source = "16:9", "cover", "720", "s3://b/a.jpg"
    first.destination = "s3"
    with pytest.raises(InvalidArgument, match="`destination` is 's3'"):
        first.execute({})


MAPPED = """
from airflow import DAG
from kling_airflow.operators.frames import PrepareFrameOperator

with DAG("frames_mapped", schedule=None, params={{"size": 432}}):
    many = PrepareFrameOperator.partial(
        task_id="many",
        aspect_ratio="1:1",
        short_side="{{{{ params.size }}}}",
        source_conn_id="{conn}",
        destination_conn_id="{conn}",
    ).expand_kwargs(
        [
            {{
                "source": "s3://{bucket}/" + name + ".jpg",
                "destination": "s3://{bucket}/{{{{ run_id }}}}/" + name + ".png",
            }}
            for name in ("rocket", "hubble")
        ]
    )
    one = PrepareFrameOperator(
        task_id="one",
        source="{{{{ ti.xcom_pull(task_ids='many')[1]['uri'] }}}}",
        destination="s3://{bucket}/one.jpg",
        source_conn_id="{conn}",
        destination_conn_id="{conn}",
    )
    many >> one
    two = PrepareFrameOperator(
        task_id="two",
        source=one.output["uri"],
        destination="s3://{bucket}/two.png",
        source_conn_id="{conn}",
        destination_conn_id="{conn}",
    )
"""


def test_it_maps_and_its_result_feeds_another(dags_folder: Path, s3: S3, bucket: str) -> None:
    run = run_dag(dags_folder, "frames_mapped", MAPPED.format(bucket=bucket, conn=S3.conn_id))
    assert run.states == {"many[0]": "success", "many[1]": "success", "one": "success", "two": "success"}
    first, second = run.result("many[0]"), run.result("many[1]")
    assert (first["width"], second["width"]) == (426, 432)
    assert first["uri"].startswith(f"s3://{bucket}/manual__")
    assert opened(s3.get(bucket, second["uri"].removeprefix(f"s3://{bucket}/"))).size == (432, 432)
    assert run.result("one")["uri"] == f"s3://{bucket}/one.jpg"
    assert run.result("two")["uri"] == f"s3://{bucket}/two.png"


def test_lineage(s3: S3, bucket: str) -> None:
    operator = PrepareFrameOperator(
        task_id="prepare",
        source=f"s3://{S3.conn_id}@{bucket}/rocket.jpg",
        destination=f"s3://{bucket}/frames/x.jpg",
        **CONNECTIONS,
    )
    assert operator.get_openlineage_facets_on_complete(None).inputs == []
    operator.execute({})
    found = operator.get_openlineage_facets_on_complete(None)
    assert [(at.namespace, at.name) for at in found.inputs] == [(f"s3://{bucket}", "rocket.jpg")]
    assert [(at.namespace, at.name) for at in found.outputs] == [(f"s3://{bucket}", "frames/x.jpg")]


def test_a_dag_with_these_operators_is_parsed_without_image_libraries() -> None:
    code = (
        "import sys\n"
        "from kling_airflow.airflow_compat import BaseOperator\n"
        "BaseOperator(task_id='any')\n"  # Airflow 2 and 3.0 import more than they need for each operator
        "before = set(sys.modules)\n"
        "import kling_airflow.transfers.clip_to_storage\n"
        "from kling_airflow.operators.frames import PrepareFrameOperator\n"
        "PrepareFrameOperator(task_id='x', source='s3://b/a.jpg', destination='s3://b/b.jpg')\n"
        "heavy = {'PIL', 'av', 'requests', 'aiohttp', 'boto3', 's3fs', 'openlineage'}\n"
        "heavy = (heavy & set(sys.modules)).difference(before)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
