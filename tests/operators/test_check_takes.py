"""CheckTakesOperator and ApproveTakesOperator: from takes to a question that a person answers."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from kling_airflow.airflow_compat import DAG
from kling_airflow.exceptions import InvalidArgument, InvalidClip
from kling_airflow.media.film.frames import first_frame
from kling_airflow.operators.check_takes import CheckTakesOperator
from kling_airflow.task.review import review_text
from tests.airflow_context import context
from tests.airflow_versions import needs_airflow
from tests.media.film.clips import clap
from tests.media.movies import write_clip
from tests.media.pictures import HUBBLE
from tests.s3 import S3

CONNECTIONS = {"source_conn_id": S3.conn_id, "destination_conn_id": S3.conn_id}
ASKS = needs_airflow("3.1", "a human in the loop")


@pytest.fixture
def bucket(s3: S3, tmp_path: Path) -> str:
    name = s3.bucket()
    good = write_clip(tmp_path / "good.mp4", frames=24, size=(160, 90), sound=True)
    s3.put(name, "good.mp4", good.read_bytes())
    s3.put(name, "start.png", first_frame(good))
    s3.put(name, "hubble.jpg", HUBBLE.read_bytes())
    dark = clap(tmp_path / "dark.mp4", at=-1, color=(0, 0, 0))
    s3.put(name, "dark.mp4", dark.read_bytes())
    return name


def check(bucket: str, *names: str, **options: Any) -> dict[str, Any]:
    given = {
        "clips": [
            {"uri": f"s3://{bucket}/{name}.mp4", "take": number, "cost_usd": 1.26, "label": "launch"}
            for number, name in enumerate(names, 1)
        ],
        "destination": f"s3://{bucket}/sheet.jpg",
    }
    return CheckTakesOperator(task_id="check", **(CONNECTIONS | given | options)).execute(context())


def test_takes_are_checked_and_a_sheet_is_stored(s3: S3, bucket: str) -> None:
    found = check(bucket, "good", "dark", frames=f"s3://{bucket}/start.png", sound=True)
    json.dumps(found)
    good, dark = found["takes"]
    assert (good["title"], good["problems"]) == ("launch, take 1", [])
    assert good["likeness"] == pytest.approx(1, abs=0.001)
    assert dark["problems"] == [
        "The pictures are black for 1.0 of 1.0 s.",
        "Nothing moves for 1.0 of 1.0 s.",
        "The sound is silent.",
        f"The first picture is unlike the start frame: SSIM {dark['likeness']:.2f}, below 0.60.",
    ]
    assert found["good"] == [f"s3://{bucket}/good.mp4"]
    assert found["cost_usd"] == pytest.approx(2.52)
    assert found["sheet_uri"] == f"s3://{bucket}/sheet.jpg"
    image = Image.open(io.BytesIO(s3.get(bucket, "sheet.jpg")))
    assert (image.format, image.width) == ("JPEG", 8 + 5 * 264)


def test_a_frame_for_each_take(bucket: str) -> None:
    frames = [f"s3://{bucket}/start.png", f"s3://{bucket}/hubble.jpg"]
    first, second = check(bucket, "good", "good", frames=frames)["takes"]
    assert first["problems"] == []
    assert second["problems"][0].startswith("The first picture is unlike the start frame")
    with pytest.raises(InvalidArgument, match="`frames` has 2 frames for 1 takes"):
        check(bucket, "good", frames=frames)


def test_a_take_that_is_no_clip_is_named(s3: S3, bucket: str) -> None:
    s3.put(bucket, "page.mp4", b"<html>")
    with pytest.raises(InvalidClip, match=r"^Take s3://.*/page\.mp4: .*can't be read as MP4"):
        check(bucket, "page")


def test_a_sheet_is_a_picture() -> None:
    with pytest.raises(InvalidArgument, match=r"`destination` is 's3://b/x\.gif'; it must be"):
        CheckTakesOperator(task_id="check", clips=[], destination="s3://b/x.gif")


def test_titles_from_data_are_no_markup() -> None:
    text = review_text(
        [{"title": "a|b [x](http://evil) <img>", "problems": ["Silent."], "seconds": 5, "cost_usd": 1.26}],
        sheet=None,
        cost_usd=1.26,
        next_usd=None,
    )
    assert r"| a\|b \[x\](http://evil) \<img\> | 5.0 | $1.26 | Silent. |" in text
    assert "**Spent so far:** $1.26 for 1 take." in text
    assert "**Approval costs nothing.**" in text


def test_what_an_approval_costs_is_said() -> None:
    text = review_text([], sheet="s3://b/x.jpg", cost_usd=None, next_usd=12.6)
    assert "**Approval buys more: $12.60.** A rejection buys nothing." in text
    assert "Contact sheet: `s3://b/x.jpg`" in text
    assert "not known for 0 takes" in text


@ASKS
@pytest.mark.parametrize("skip", [True, "True", "on"])
def test_the_review_can_be_skipped_by_a_param(skip: object) -> None:
    from kling_airflow.operators.approve_takes import ApproveTakesOperator

    with DAG("review", schedule=None, params={"skip_review": skip}):
        operator = ApproveTakesOperator(
            task_id="review", takes="{{ params.takes }}", skip_review="{{ params.skip_review }}"
        )
    operator.render_template_fields({"params": {"skip_review": skip, "takes": "[]"}})  # type: ignore[typeddict-item]
    assert operator.execute(context())["chosen_options"] == ["Approve"]


@ASKS
@pytest.mark.parametrize("answer", ["Approve", "Reject"])
def test_a_person_is_asked_with_the_sheet_and_the_price(
    bucket: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes to Airflow's API is read off the wire: dag.test() would wait for a person."""
    from airflow.sdk.execution_time import task_runner

    from kling_airflow.operators.approve_takes import ApproveTakesOperator

    sent: list[Any] = []
    comms = SimpleNamespace(send=lambda msg: sent.append(msg))
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)
    take = {"title": "launch, take 1", "seconds": 5.0, "cost_usd": 1.26, "problems": []}
    operator = ApproveTakesOperator(
        task_id="review",
        takes={"takes": [take], "cost_usd": 1.26, "sheet_uri": f"s3://{bucket}/sheet.jpg"},
        next_usd=2.52,
        body="Look at the flame.",
        sheet_conn_id=S3.conn_id,
        skip_review="False",
    )
    ti = SimpleNamespace(id=uuid4(), task_id="review", map_index=-1)
    with pytest.raises(BaseException) as paused:  # noqa: PT011 -- each version of Airflow waits in its own way
        operator.execute({"task_instance": ti, "ti": ti})
    assert type(paused.value).__name__ in ("TaskAwaitingInput", "TaskDeferred")
    (asked,) = (message for message in sent if hasattr(message, "subject"))
    assert (asked.subject, asked.options) == ("Are these takes good?", ["Approve", "Reject"])
    assert asked.body.startswith("Look at the flame.\n\n[![contact sheet](http")
    assert "Signature=" in asked.body
    assert "**Spent so far:** $1.26 for 1 take." in asked.body
    assert "**Approval buys more: $2.52.** A rejection buys nothing." in asked.body
    assert "| launch, take 1 | 5.0 | $1.26 | none |" in asked.body
    event = {
        "chosen_options": [answer],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": None,
    }
    assert operator.execute_complete({"ti": ti, "task": operator}, event)["chosen_options"] == [answer]


@ASKS
def test_a_sheet_on_disk_is_named_by_its_address() -> None:
    from kling_airflow.operators.approve_takes import ApproveTakesOperator

    takes = {"takes": [], "sheet_uri": "file:///data/sheet.jpg"}
    operator = ApproveTakesOperator(task_id="review", takes=takes)
    assert "Contact sheet: `file:///data/sheet.jpg`" in operator._question()


@ASKS
def test_what_are_no_takes() -> None:
    from kling_airflow.operators.approve_takes import ApproveTakesOperator

    with pytest.raises(InvalidArgument, match="`takes` is 'good'; it must be what CheckTakesOperator"):
        ApproveTakesOperator(task_id="review", takes="good").execute(context())
