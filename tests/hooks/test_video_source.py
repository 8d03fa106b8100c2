"""The bytes of an input video, if a task may read its address."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from kling_airflow.errors import DownloadFailed, InvalidArgument
from kling_airflow.gmi.client import GMIClient
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.hooks.video_source import read_allowed_video
from kling_airflow.simulator import Simulator
from tests.simulator.movies import movie

LIMIT = 10_000_000


def test_a_video_is_read_from_where_the_code_says(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(movie(4))
    with Simulator(render="fast") as queue, GMIClient(queue.api_key, queue.base_url) as client:
        for address in ((tmp_path / "a.mp4").as_uri(), client.upload(movie(4), "mp4")):
            written = WrittenPlaces(SimpleNamespace(), video=address)
            data = read_allowed_video(address, "video", written, conn_id=None, max_bytes=LIMIT)
            assert data == movie(4)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://127.0.0.1:9/a.mp4"])
def test_an_address_that_came_from_data_is_confined(address: str) -> None:
    nothing_written = WrittenPlaces(SimpleNamespace())
    with pytest.raises((InvalidArgument, DownloadFailed), match="allowed_sources"):
        read_allowed_video(address, "video", nothing_written, conn_id=None, max_bytes=LIMIT)


def test_a_larger_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(movie(4))
    address = (tmp_path / "a.mp4").as_uri()
    written = WrittenPlaces(SimpleNamespace(), video=address)
    with pytest.raises(InvalidArgument, match="video"):
        read_allowed_video(address, "video", written, conn_id=None, max_bytes=100)
