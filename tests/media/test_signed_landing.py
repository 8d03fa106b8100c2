"""A landing that signs its clip: the sidecar describes the signed file, and says what came from the queue."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kling_airflow.clip import Clip
from kling_airflow.media.clip_packets import packet_hash
from kling_airflow.media.credentials import find_credentials
from kling_airflow.media.landing import LandingOptions, land
from kling_airflow.media.signing import SigningKey, sign_clip
from tests.media.file_server import FileServer
from tests.media.film.clips import clap
from tests.media.test_landing import Shelf
from tests.media.test_schemas import CLIP
from tests.media.test_signing import make_key, signed_manifest

pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return clap(tmp_path / "movie.mp4")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "shelf").mkdir()
    return Shelf(tmp_path / "shelf")


def landed(movie: Path, shelf: Shelf, key: SigningKey | None) -> dict[str, Any]:
    with FileServer(movie.read_bytes()).running() as server:
        clip = Clip(request_id="r", model="kling-v3-image-to-video", video_url=server.url)
        return land(clip, shelf.places(), options=LandingOptions(signing=key))


def sidecar(shelf: Shelf) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((shelf.folder / "x.json").read_bytes())
    jsonschema.validate(said, CLIP, format_checker=jsonschema.FormatChecker())
    return said


def test_the_landed_bytes_are_the_signed_ones_everywhere(movie: Path, shelf: Shelf) -> None:
    key = make_key()
    made = landed(movie, shelf, key)
    stored = shelf.folder / "x.mp4"
    digest = hashlib.sha256(stored.read_bytes()).hexdigest()
    said = sidecar(shelf)
    assert made["sha256"] == said["clip"]["sha256"] == digest
    assert made["bytes"] == said["clip"]["bytes"] == stored.stat().st_size
    assert said["signed"] == {
        "by": key.name,
        "from_sha256": hashlib.sha256(movie.read_bytes()).hexdigest(),
    }
    assert said["credentials"] is None
    assert key.private_key not in json.dumps(said)
    assert signed_manifest(stored)[0]["title"] == "x"
    assert packet_hash(stored) == packet_hash(movie)
    assert sorted(path.name for path in shelf.folder.iterdir()) == ["x.jpg", "x.json", "x.mp4"]


def test_the_vendors_credentials_are_named_and_kept(movie: Path, shelf: Shelf) -> None:
    sign_clip(movie, make_key(), title="from the vendor", model="kling")
    found = find_credentials(movie)
    assert found is not None
    landed(movie, shelf, make_key())
    assert sidecar(shelf)["credentials"] == found.to_json()
    manifest, all_of_them = signed_manifest(shelf.folder / "x.mp4")
    assert manifest["ingredients"][0]["relationship"] == "parentOf"
    assert found.label in all_of_them


def test_a_retry_finds_the_signed_clip(movie: Path, shelf: Shelf) -> None:
    key = make_key()
    first = landed(movie, shelf, key)
    before = (shelf.folder / "x.mp4").read_bytes()
    assert landed(movie, shelf, key) == first
    assert landed(movie, shelf, None) == first  # what is signed stays signed
    assert (shelf.folder / "x.mp4").read_bytes() == before


@pytest.mark.parametrize("earlier", [None, make_key()], ids=["not signed", "another key"])
def test_a_clip_without_this_signature_lands_again(
    movie: Path, shelf: Shelf, earlier: SigningKey | None
) -> None:
    landed(movie, shelf, earlier)
    key = make_key()
    landed(movie, shelf, key)
    assert sidecar(shelf)["signed"]["by"] == key.name


def test_a_key_that_is_refused_leaves_nothing_behind(movie: Path, shelf: Shelf) -> None:
    wrong = SigningKey(certificates=make_key().certificates, private_key=make_key().private_key)
    with pytest.raises(Exception, match="The clip can't be signed"):
        landed(movie, shelf, wrong)
    assert list(shelf.folder.iterdir()) == []
