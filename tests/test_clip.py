"""The clip dict as others hand it on."""

from __future__ import annotations

import pytest

from kling_airflow.clip import Clip
from kling_airflow.errors import InvalidArgument
from kling_airflow.gmi.request import Request


def test_what_the_queues_record_calls_a_clip_is_read() -> None:
    request = Request.read(
        {
            "request_id": "r-1",
            "model": "kling-v3-image-to-video",
            "status": "success",
            "payload": {"duration": "5", "sound": "on"},
            "outcome": {"media_urls": [{"id": "0", "url": "https://host/clip.mp4"}]},
            "created_at": 1_795_000_000,
            "updated_at": 1_795_000_165,
        }
    )
    clip = Clip.read(request.clip().to_json())
    assert (clip.request_id, clip.duration, clip.sound) == ("r-1", 5, True)
    assert clip.video_url == "https://host/clip.mp4"
    assert clip.cost_usd == pytest.approx(1.26)
    assert clip.finished_at.endswith("+00:00")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{'request_id': 'r-1'}", "`clip` is str; it must be the dict that GMICloudRequestSensor returns"),
        (None, "`clip` is NoneType"),
        ({}, "`clip` has no request_id"),
        ({"request_id": "  "}, "`clip` has no request_id"),
        ({"request_id": 7}, "`clip` has no request_id"),
    ],
)
def test_what_is_no_clip(value: object, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Clip.read(value)
