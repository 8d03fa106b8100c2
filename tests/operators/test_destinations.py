"""No operator writes over a file of another task, or of another program: one rule for all that is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from moto.s3.responses import S3Response

from kling_airflow.exceptions import DestinationTaken, InvalidClip, StorageFailed
from kling_airflow.operators.check_takes import CheckTakesOperator
from kling_airflow.operators.extract_frame import ExtractFrameOperator
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.join_clips import JoinClipsOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.airflow_context import TaskInstance
from tests.media.file_server import FileServer
from tests.media.film.clips import beep, clap
from tests.package_operators import package_operators
from tests.s3 import S3

PHOTO = Path(__file__).parents[2] / "kling_airflow" / "demo" / "frames" / "rocket.jpg"
FOREIGN = b"a file that no task of this package has stored"
ALSO_STORES = {"KlingStoryboardOperator"}
"""It follows the same rule, and can't be run here, because it needs a queue: ``TestTakenDestinations`` in
``test_storyboard.py`` runs it over foreign clips, and over clips and reports of another task."""


class World:
    """Two clips, and a folder that something is stored in.

    :param folder: for everything.
    :param url: of a server with the first clip.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.url, self.out = url, folder / "out"
        self.one, self.two = (clap(folder / f"{at}.mp4", at=at, color=(200, at * 9, 40)) for at in (4, 8))
        self.out.mkdir()

    def address(self, name: str) -> str:
        return (self.out / name).as_uri()

    def stored(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.out.iterdir()}

    def clear(self) -> None:
        for path in self.out.iterdir():
            path.unlink()


def prepare(world: World, *, other: bool) -> Any:
    shape = "9:16" if other else "16:9"
    return PrepareFrameOperator, {
        "source": PHOTO.as_uri(),
        "destination": world.address("x.jpg"),
        "aspect_ratio": shape,
    }


def clip_of(world: World, other: bool) -> str:
    return (world.two if other else world.one).as_uri()


def extract(world: World, *, other: bool) -> Any:
    return ExtractFrameOperator, {"clip": clip_of(world, other), "destination": world.address("x.png")}


def extract_all(world: World, *, other: bool) -> Any:
    kind, given = extract(world, other=other)
    return kind, given | {"every": 0.5}


def check(world: World, *, other: bool) -> Any:
    return CheckTakesOperator, {"clips": [clip_of(world, other)], "destination": world.address("x.png")}


def check_as_jpeg(world: World, *, other: bool) -> Any:
    kind, given = check(world, other=other)
    return kind, given | {"destination": world.address("x.jpg")}


def film(world: World, *, other: bool) -> Any:
    return JoinClipsOperator, {
        "clips": [{"uri": clip_of(world, other), "prompt": "A clap."}],
        "destination": world.address("x.mp4"),
        "captions": "prompts",
        "variants": ["1:1", "9:16"],
        "preview": "webp",
        "preset": "ultrafast",
    }


def landing(world: World, *, other: bool) -> Any:
    clip = {"request_id": "two" if other else "one", "video_url": world.url}
    return ClipToObjectStorageOperator, {"clip": clip, "destination": world.address("x.mp4")}


STORES: list[Callable[..., Any]] = [prepare, extract, extract_all, check, check_as_jpeg, film, landing]
MADE = {
    prepare: {"x.jpg"},
    extract: {"x.png"},
    extract_all: {"x.0001.png", "x.0002.png"},
    check: {"x.png"},
    check_as_jpeg: {"x.jpg"},
    film: {
        "x.mp4",
        "x.json",
        "x.jpg",
        "x.otio",
        "x.vtt",
        "x.srt",
        "x.webp",
        "x.1x1.mp4",
        "x.9x16.mp4",
    },
    landing: {"x.mp4", "x.json", "x.jpg"},
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clip = clap(tmp_path / "served.mp4", at=4)
    with FileServer(clip.read_bytes()).running() as server:
        yield World(tmp_path, server.url)


def run(
    store: Callable[..., Any], world: World, *, task: str = "ours", day: str = "1", **options: Any
) -> Any:
    kind, given = store(world, other=options.pop("other", False))
    ti = TaskInstance()
    ti.task_id, ti.run_id = task, f"run {day}"
    operator = kind(task_id=task, **(given | options))
    return operator.execute({"ti": ti, "task_instance": ti, "dag_run": SimpleNamespace(run_id=ti.run_id)})


def test_every_operator_that_stores_is_tested_here() -> None:
    stores = {name for name, kind in package_operators().items() if getattr(kind, "stores_at", None)}
    tested = {store(SimpleNamespace(**_ANY), other=False)[0].__name__ for store in STORES}
    assert stores == tested | ALSO_STORES


_ANY: dict[str, Any] = {
    "one": Path("/one.mp4"),
    "two": Path("/two.mp4"),
    "url": "",
    "address": lambda name: f"file:///{name}",
}


@pytest.mark.parametrize("store", STORES)
def test_a_foreign_file_stays_in_the_place_of_each_output(world: World, store: Callable[..., Any]) -> None:
    run(store, world)
    made = set(world.stored())
    assert made == MADE[store]
    for name in sorted(made):
        world.clear()
        (world.out / name).write_bytes(FOREIGN)
        with pytest.raises(DestinationTaken, match=rf"{name}.* exists") as caught:
            run(store, world)
        assert world.stored() == {name: FOREIGN}
        assert "`overwrite=True`" in str(caught.value)
        run(store, world, overwrite=True)
        assert set(world.stored()) == made
        assert world.stored()[name] != FOREIGN


@pytest.mark.parametrize("store", STORES)
def test_what_another_task_has_stored_stays(world: World, store: Callable[..., Any]) -> None:
    run(store, world)
    before = world.stored()
    with pytest.raises(DestinationTaken, match="`overwrite=True`"):
        run(store, world, task="another", other=True)
    assert world.stored() == before
    run(store, world, task="another", other=True, overwrite=True)
    assert world.stored() != before
    with pytest.raises(DestinationTaken, match="`overwrite=True`"):
        run(store, world)


@pytest.mark.parametrize("store", STORES)
def test_the_next_run_of_a_task_replaces_what_the_task_has_stored(
    world: World, store: Callable[..., Any]
) -> None:
    run(store, world)
    before = world.stored()
    run(store, world)  # a retry
    assert world.stored() == before
    run(store, world, day="2", other=True)
    assert set(world.stored()) == set(before)
    assert world.stored() != before


@pytest.mark.parametrize("store", [prepare, extract, extract_all, check, check_as_jpeg])
def test_the_same_picture_may_be_stored_by_two_tasks(world: World, store: Callable[..., Any]) -> None:
    run(store, world)
    run(store, world, task="another")
    assert set(world.stored()) == MADE[store]


@pytest.mark.parametrize("store", [prepare, extract, extract_all, check, film])
def test_a_bucket_one_may_not_write_to(
    world: World, s3: S3, store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    denied = (403, {}, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    monkeypatch.setattr(S3Response, "put_object", lambda self: denied)
    _, given = store(world, other=False)
    name = given["destination"].rpartition("/")[2]
    place = {"destination": f"s3://{bucket}/{name}", "destination_conn_id": S3.conn_id}
    with pytest.raises(StorageFailed, match=rf"`destination`.* s3://{bucket}/x.*can't be") as caught:
        run(store, world, **place)
    assert "PermissionError" in str(caught.value)
    assert s3.keys(bucket) == []


def _sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        track = container.add_stream("aac", rate=48_000, layout="stereo")
        for sound in beep(0.1, 1, 48_000):
            container.mux(track.encode(sound))
        container.mux(track.encode())


def _of_no_length(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


NO_CLIPS: dict[str, Callable[[Path], Any]] = {
    "no bytes": lambda path: path.write_bytes(b""),
    "a page": lambda path: path.write_bytes(b"<html>Sign in</html>"),
    "a picture": lambda path: path.write_bytes(PHOTO.read_bytes()),
    "sound only": _sound_only,
    "of no length": _of_no_length,
}


@pytest.mark.parametrize("kind", NO_CLIPS)
@pytest.mark.parametrize("store", [extract, extract_all, check, film])
def test_what_is_no_clip_stores_nothing(world: World, store: Callable[..., Any], kind: str) -> None:
    NO_CLIPS[kind](world.one)
    with pytest.raises(InvalidClip, match="can't be read as MP4|no video track|can be decoded|be decoded"):
        run(store, world)
    assert world.stored() == {}


def test_of_many_frames_none_is_written_if_one_is_in_a_foreign_place(world: World) -> None:
    (world.out / "x.0002.png").write_bytes(FOREIGN)
    with pytest.raises(DestinationTaken, match=r"x\.0002\.png, where a frame would go"):
        run(extract_all, world)
    assert world.stored() == {"x.0002.png": FOREIGN}


def test_a_picture_names_its_task_and_no_names_of_it(world: World) -> None:
    """A frame is uploaded to where anyone may read it: the names of DAG and task are nothing for it."""
    stored = run(prepare, world, task="secret_project")
    data = world.stored()["x.jpg"]
    assert b"kling_airflow task " in data
    assert b"secret_project" not in data
    assert stored["bytes"] == len(data)
