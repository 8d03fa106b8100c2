"""Content credentials in a clip are found, kept by a landing, and named in the sidecar."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.clip import Clip
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.credentials import C2PA, find_credentials
from kling_airflow.media.landing import land
from tests.media.credentials import with_credentials
from tests.media.file_server import FileServer
from tests.media.movies import write_clip
from tests.media.test_landing import Shelf
from tests.media.test_schemas import CLIP


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_clip(tmp_path_factory.mktemp("plain") / "x.mp4", frames=3, size=(64, 48)).read_bytes()


def test_a_clip_without(tmp_path: Path, plain: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(plain)
    assert find_credentials(tmp_path / "x.mp4") is None


def test_they_are_found_and_the_clip_plays(tmp_path: Path, plain: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(with_credentials(plain))
    found = find_credentials(path)
    assert found is not None
    begin = path.read_bytes().index(C2PA)
    assert found.label == "urn:c2pa:8a3f1e9c-test"
    assert found.sha256 == hashlib.sha256(path.read_bytes()[begin : begin + found.bytes]).hexdigest()
    assert check_clip(path).width == 64


def test_a_landing_keeps_them_and_says_so(tmp_path: Path, plain: bytes) -> None:
    signed = with_credentials(plain)
    shelf = Shelf(tmp_path)
    with FileServer(signed).running() as server:
        land(Clip(request_id="r", video_url=server.url), shelf.places())
    assert (tmp_path / "x.mp4").read_bytes() == signed
    said = json.loads((tmp_path / "x.json").read_bytes())
    jsonschema.validate(said, CLIP)
    assert said["credentials"]["label"] == "urn:c2pa:8a3f1e9c-test"


def test_another_uuid_box_is_none(tmp_path: Path, plain: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(with_credentials(plain).replace(C2PA, bytes(16)))
    assert find_credentials(path) is None


@given(st.binary(max_size=200), st.integers(0, 100))
def test_no_file_breaks_the_search(data: bytes, cut: int) -> None:
    box = b"\0\0\0\x30uuid" + C2PA + bytes(4) + b"manifest\0" + data
    with tempfile.TemporaryDirectory() as folder:
        for content in (data, box[:cut], data + box):
            path = Path(folder) / "x.mp4"
            path.write_bytes(content)
            found = find_credentials(path)
            assert found is None or found.bytes > 0
