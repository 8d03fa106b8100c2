"""Landings keep the index; an index that can't be written never fails a landing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kling_airflow.gallery.index import ENTRIES, Index
from kling_airflow.gallery.landed import note_landing
from kling_airflow.gallery.settings import open_gallery, path_in_gallery
from kling_airflow.hooks.storage import StoredObject
from kling_airflow.operators.join_clips import JoinClipsOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.media.file_server import FileServer
from tests.media.movies import write_clip
from tests.s3 import S3


def landed(folder: str, movie: Path, name: str = "rocket", **options: object) -> dict[str, object]:
    """Land a clip as a task does; returns what the task returns."""
    with FileServer(movie.read_bytes()).running() as server:
        return ClipToObjectStorageOperator(
            task_id="land",
            clip={"request_id": f"request-{name}", "video_url": server.url, "cost_usd": 1.26},
            destination=f"{folder}/{name}.mp4",
            prompt=f"The {name}.",
            **options,
        ).execute({})


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "source.mp4", frames=24)


@pytest.fixture(autouse=True)
def local_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = f"s3:// {tmp_path.as_uri()}"
    for setting in ("ALLOWED_SOURCES", "ALLOWED_DESTINATIONS"):
        monkeypatch.setenv(f"AIRFLOW__KLING__{setting}", f"{places} http://127.0.0.1")


def test_a_landing_is_in_the_index_at_once(gallery: Path, movie: Path) -> None:
    result = landed(f"{gallery.as_uri()}/a b", movie)
    (entry,) = Index(open_gallery(gallery.as_uri())).entries()
    assert (entry.path, entry.request_id, entry.cost_usd) == ("a b/rocket.mp4", "request-rocket", 1.26)
    assert (entry.sha256, entry.size) == (result["sha256"], result["bytes"])
    assert (entry.prompt, entry.has_poster) == ("The rocket.", True)


def test_a_landing_in_s3_is_in_the_index(s3: S3, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.bucket()
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY", f"s3://{S3.conn_id}@{bucket}/clips/")
    landed(f"s3://{bucket}/clips/x", movie, destination_conn_id=S3.conn_id)
    landed(f"s3://{bucket}/elsewhere", movie, "boat", destination_conn_id=S3.conn_id)
    found = Index(open_gallery(f"s3://{S3.conn_id}@{bucket}/clips")).entries()
    assert [entry.path for entry in found] == ["x/rocket.mp4"]


def test_a_film_is_in_the_index(gallery: Path, movie: Path) -> None:
    clips = [landed(gallery.as_uri(), movie, name) for name in ("one", "two")]
    JoinClipsOperator(
        task_id="film", clips=clips, destination=f"{gallery.as_uri()}/film.mp4", captions="prompts"
    ).execute({})
    found = Index(open_gallery(gallery.as_uri())).entries()
    assert {entry.path: entry.kind for entry in found} == {
        "one.mp4": "clip",
        "two.mp4": "clip",
        "film.mp4": "film",
    }


def test_an_index_that_cannot_be_written_is_a_warning_and_the_next_run_mends_it(
    gallery: Path, movie: Path, logged: Callable[[], str]
) -> None:
    blocker = gallery / ".kling-gallery"
    blocker.write_text("a file where the index's folder should be")
    assert landed(gallery.as_uri(), movie)["request_id"] == "request-rocket"
    said = logged()
    assert "index could not be written" in said
    assert "kling-airflow gallery reindex" in said
    blocker.unlink()
    landed(gallery.as_uri(), movie)  # finds the clip, and writes the entry
    assert len(Index(open_gallery(gallery.as_uri())).entries()) == 1


@pytest.mark.parametrize("address", [None, "", "s3://no_such_connection@bucket", "nonsense"])
def test_without_a_gallery_nothing_is_written(
    tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.delenv("AIRFLOW__KLING__GALLERY", raising=False)
    if address is not None:
        monkeypatch.setenv("AIRFLOW__KLING__GALLERY", address)
    landed((tmp_path / "clips").as_uri(), movie)
    assert not list(tmp_path.rglob(".kling-gallery"))


def test_a_sidecar_that_is_gone_is_no_error(gallery: Path) -> None:
    (gallery / "x.mp4").write_bytes(b"x")
    assert note_landing(StoredObject(f"{gallery.as_uri()}/x.mp4")) is False
    (gallery / "x.json").write_text(json.dumps({"any": "thing"}))
    assert note_landing(StoredObject(f"{gallery.as_uri()}/x.mp4")) is False
    assert not (gallery / ENTRIES).exists()


@pytest.mark.parametrize(
    ("gallery_address", "uri", "path"),
    [
        ("s3://clips", "s3://clips/a/b.mp4", "a/b.mp4"),
        ("s3://conn@clips/films/", "s3://clips/films/b.mp4", "b.mp4"),
        ("s3a://clips", "s3://conn@clips/b.mp4", "b.mp4"),
        ("s3://clips", "s3://clips2/b.mp4", None),
        ("s3://clips/a", "s3://clips/ab/b.mp4", None),
        ("gs://clips", "s3://clips/b.mp4", None),
        ("file:///data/clips", "file:///data/clips/a%20b.mp4", "a b.mp4"),
        ("file:///data/clips", "file:///data/clips/../x.mp4", None),
    ],
)
def test_where_a_clip_is_in_the_gallery(gallery_address: str, uri: str, path: str | None) -> None:
    assert path_in_gallery(gallery_address, uri) == path


def test_clips_in_another_bucket_are_left_out_and_their_film_is_shown(
    s3: S3, movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips land in one bucket, `[kling] gallery` is another: the film there has its clips' cost."""
    clips, films = s3.bucket(), s3.bucket()
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY", f"s3://{S3.conn_id}@{films}/shown")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.connection)
    results = [landed(f"s3://{clips}/a", movie, name) for name in ("one", "two")]
    gallery = open_gallery(f"s3://{S3.conn_id}@{films}/shown")
    assert Index(gallery).entries() == []
    assert not [key for key in s3.keys(clips) if ".kling-gallery" in key]
    film = JoinClipsOperator(
        task_id="join", clips=results, destination=f"s3://{films}/shown/x/film.mp4", preset="ultrafast"
    )
    made = film.execute({})
    (entry,) = Index(gallery).entries()
    assert (entry.kind, entry.path, entry.request_id) == ("film", "x/film.mp4", made["request_id"])
    assert (entry.cost_usd, entry.prompt) == (2.52, "The one. / The two.")
    assert path_in_gallery(f"s3://{S3.conn_id}@{films}/shown", f"s3://{clips}/shown/x/film.mp4") is None

    found = film.get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in found.inputs] == [
        (f"s3://{clips}", f"a/{name}.mp4") for name in ("one", "two")
    ]
    assert found.outputs[0].namespace == f"s3://{films}"
    assert found.outputs[0].facets["version"].datasetVersion == made["sha256"]
    facet = found.run_facets["kling"]
    assert (facet.requestIds, facet.costUsd) == ([made["request_id"]], 2.52)
