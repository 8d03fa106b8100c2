"""Landings without Airflow: local files as places, a real HTTP server, a real clip."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kling_airflow.clip import Clip
from kling_airflow.errors import DestinationTaken, DownloadFailed, InvalidClip, StorageFailed
from kling_airflow.media.download import DownloadLimits
from kling_airflow.media.landing import LandingOptions, land
from kling_airflow.media.places import Places
from kling_airflow.media.sidecar import Asked
from tests.media.clip_server import movie as movie
from tests.media.clip_server import server as server
from tests.media.file_server import FileServer, cut, serve, status
from tests.media.movies import write_clip
from tests.media.pictures import encoded, quarters


@dataclass
class Shelf:
    """A folder with the files of a landing; records each write and delete, and fails those in ``broken``."""

    folder: Path
    done: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def places(self) -> Places:
        return Places(Slot(self, "x.mp4"), Slot(self, "x.json"), Slot(self, "x.jpg"))

    def there(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@dataclass
class Slot:
    """One file of the folder, as a ``Place``."""

    shelf: Shelf
    name: str

    @property
    def path(self) -> Path:
        return self.shelf.folder / self.name

    @property
    def uri(self) -> str:
        return f"s3://bucket/{self.name}"

    def _do(self, what: str) -> None:
        self.shelf.done.append(f"{what} {self.name}")
        if f"{what} {self.name}" in self.shelf.broken:
            raise StorageFailed(f"{what} {self.name}")

    def sibling(self, suffix: str) -> Slot:
        return Slot(self.shelf, f"{self.name.removesuffix('.mp4')}{suffix}")

    def create(self, data: bytes) -> bool:
        self._do("create")
        if self.path.exists():
            return False
        self.path.write_bytes(data)
        return True

    def size(self) -> int | None:
        return self.path.stat().st_size if self.path.exists() else None

    def read(self, limit: int) -> bytes | None:
        return self.path.read_bytes()[:limit] if self.path.exists() else None

    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def write_file(self, path: Path, content_type: str) -> None:
        self._do(f"write {content_type}")
        self.path.write_bytes(path.read_bytes())

    def write(self, data: bytes, content_type: str) -> None:
        self._do(f"write {content_type}")
        self.path.write_bytes(data)

    def delete(self) -> None:
        self._do("delete")
        self.path.unlink(missing_ok=True)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "shelf").mkdir()
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def clip(server: FileServer) -> Clip:
    return Clip(
        request_id="request-1",
        model="kling-v3-image-to-video",
        video_url=server.url,
        duration=5,
        sound=True,
        cost_usd=1.26,
        submitted_at="2026-11-23T04:00:00+00:00",
        finished_at="2026-11-23T04:02:45+00:00",
    )


ASKED = Asked(
    duration=5,
    sound=True,
    prompt="A rocket rises.",
    frames=[
        {"uri": "s3://frames/start.png", "sha256": "aa", "width": 1280},
        {"uri": "https://cdn.example/end.png?X-Amz-Signature=secret#top", "sha256": "bb"},
    ],
)


def other(clip: Clip, **changes: Any) -> Clip:
    return dataclasses.replace(clip, **changes)


WRITES = ["write video/mp4 x.mp4", "write image/jpeg x.jpg", "write application/json x.json"]
CLAIM, RELEASE = "create x.landing.json", "delete x.landing.json"


def test_a_clip_lands_with_poster_and_sidecar(clip: Clip, shelf: Shelf, movie: bytes) -> None:
    landed = land(clip, shelf.places(), asked=ASKED)
    assert shelf.there() == ["x.jpg", "x.json", "x.mp4"]
    assert (shelf.folder / "x.mp4").read_bytes() == movie
    assert landed == {
        "uri": "s3://bucket/x.mp4",
        "sha256": hashlib.sha256(movie).hexdigest(),
        "bytes": len(movie),
        "duration_seconds": 5.042,
        "width": 320,
        "height": 180,
        "fps": 24.0,
        "has_audio": True,
        "poster_uri": "s3://bucket/x.jpg",
        "sidecar_uri": "s3://bucket/x.json",
        "request_id": "request-1",
    }
    poster = Image.open(io.BytesIO((shelf.folder / "x.jpg").read_bytes()))
    assert (poster.format, poster.size) == ("JPEG", (320, 180))


def test_the_sidecar_tells_where_the_clip_comes_from(clip: Clip, shelf: Shelf, movie: bytes) -> None:
    land(clip, shelf.places(), asked=ASKED)
    text = (shelf.folder / "x.json").read_text()
    said = json.loads(text)
    assert said["request_id"] == "request-1"
    assert said["model"] == "kling-v3-image-to-video"
    assert said["cost_usd"] == 1.26
    assert said["submitted_at"] == "2026-11-23T04:00:00+00:00"
    assert said["finished_at"] == "2026-11-23T04:02:45+00:00"
    assert said["landed_at"].endswith("+00:00")
    assert said["asked"] == {
        "prompt": "A rocket rises.",
        "duration": 5,
        "sound": True,
        "frames": [
            {"uri": "s3://frames/start.png", "sha256": "aa"},
            {"uri": "https://cdn.example/end.png", "sha256": "bb"},
        ],
    }
    assert said["checks"] == {"duration": "5.04 s, asked for 5 s", "sound": "has sound, as asked for"}
    poster = (shelf.folder / "x.jpg").read_bytes()
    assert said["poster"]["sha256"] == hashlib.sha256(poster).hexdigest()
    assert said["poster"]["bytes"] == len(poster)
    assert said["clip"]["sha256"] == hashlib.sha256(movie).hexdigest()
    assert "secret" not in text
    assert clip.video_url not in text


def test_the_sidecar_is_written_last_and_an_old_one_is_removed_first(clip: Clip, shelf: Shelf) -> None:
    land(clip, shelf.places())
    assert shelf.done == [CLAIM, *WRITES, RELEASE]
    shelf.done.clear()
    land(other(clip, request_id="request-2"), shelf.places(), options=LandingOptions(overwrite=True))
    assert shelf.done == [CLAIM, "delete x.json", *WRITES, RELEASE]


def test_an_old_sidecar_that_cannot_be_removed_stops_the_landing(clip: Clip, shelf: Shelf) -> None:
    land(clip, shelf.places())
    shelf.done.clear()
    shelf.broken = {"delete x.json"}
    with pytest.raises(StorageFailed):
        land(other(clip, request_id="request-2"), shelf.places(), options=LandingOptions(overwrite=True))
    assert shelf.done == [CLAIM, "delete x.json"]


def test_a_store_that_may_be_written_only_still_gets_the_landing(
    clip: Clip, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Slot, "read", lambda self, limit: b"")
    shelf.broken = {"delete x.json"}
    land(clip, shelf.places())
    assert shelf.done == [CLAIM, "delete x.json", *WRITES, RELEASE]
    assert "If an older sidecar stands there" in caplog.text


@pytest.mark.parametrize(
    "breaks", ["write video/mp4 x.mp4", "write image/jpeg x.jpg", "write application/json x.json"]
)
def test_a_landing_that_breaks_leaves_no_sidecar(clip: Clip, shelf: Shelf, breaks: str) -> None:
    land(clip, shelf.places())
    shelf.broken = {breaks}
    with pytest.raises(StorageFailed):
        land(other(clip, request_id="request-2"), shelf.places(), options=LandingOptions(overwrite=True))
    assert "x.json" not in shelf.there()
    shelf.broken = set()
    assert land(other(clip, request_id="request-2"), shelf.places())["request_id"] == "request-2"


def test_a_retry_finds_the_landing_and_does_nothing(clip: Clip, shelf: Shelf, server: FileServer) -> None:
    first = land(clip, shelf.places(), asked=ASKED)
    before = (shelf.folder / "x.json").read_bytes()
    shelf.done.clear()
    again = land(other(clip, video_url="http://gone.invalid/"), shelf.places(), asked=ASKED)
    assert again == first
    assert shelf.done == []
    assert len(server.requests) == 1
    assert (shelf.folder / "x.json").read_bytes() == before


@pytest.mark.parametrize("name", ["x.mp4", "x.jpg"])
@pytest.mark.parametrize("damage", [lambda data: data[:-1], None], ids=["short", "missing"])
def test_a_damaged_landing_is_made_anew(
    clip: Clip,
    shelf: Shelf,
    server: FileServer,
    movie: bytes,
    name: str,
    damage: Callable[[bytes], bytes] | None,
) -> None:
    land(clip, shelf.places())
    path = shelf.folder / name
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    land(clip, shelf.places())
    assert len(server.requests) == 2
    assert (shelf.folder / "x.mp4").read_bytes() == movie
    assert shelf.there() == ["x.jpg", "x.json", "x.mp4"]


def test_other_bytes_of_the_same_length_are_noticed(
    clip: Clip, shelf: Shelf, server: FileServer, movie: bytes
) -> None:
    land(clip, shelf.places())
    (shelf.folder / "x.mp4").write_bytes(movie[:-1] + b"?")
    land(clip, shelf.places())
    assert len(server.requests) == 2
    assert (shelf.folder / "x.mp4").read_bytes() == movie


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"request_id": "request-1"}', b'{"clip": 3}', b"\xff\xfe"]
)
def test_a_file_that_is_no_sidecar_of_ours_is_not_overwritten(
    clip: Clip, shelf: Shelf, server: FileServer, content: bytes
) -> None:
    (shelf.folder / "x.json").write_bytes(content)
    with pytest.raises(DestinationTaken, match=r"x\.json, where the sidecar would go, exists") as caught:
        land(clip, shelf.places())
    assert "`overwrite=True`" in str(caught.value)
    assert server.requests == []
    assert (shelf.folder / "x.json").read_bytes() == content
    (shelf.folder / "x.mp4").write_bytes(b"older")
    land(clip, shelf.places(), options=LandingOptions(overwrite=True))
    assert json.loads((shelf.folder / "x.json").read_bytes())["request_id"] == "request-1"


@pytest.mark.parametrize(("name", "what"), [("x.mp4", "the clip"), ("x.jpg", "the poster")])
def test_a_file_that_no_landing_wrote_is_not_overwritten(
    clip: Clip, shelf: Shelf, server: FileServer, name: str, what: str
) -> None:
    (shelf.folder / name).write_bytes(b"mine")
    with pytest.raises(DestinationTaken, match=rf"{name}, where {what} would go, exists, and no sidecar"):
        land(clip, shelf.places())
    assert server.requests == []
    assert (shelf.folder / name).read_bytes() == b"mine"
    assert shelf.done == []


@pytest.mark.parametrize(
    "content", [b'{"my": "own"}', b"[" * 9000, b"\xff\xfe", b'{"request_id": "request-1"}', b"mine" * 9000]
)
def test_a_file_in_the_place_of_the_claim_is_not_removed(
    clip: Clip, shelf: Shelf, server: FileServer, content: bytes
) -> None:
    (shelf.folder / "x.landing.json").write_bytes(content)
    with pytest.raises(DestinationTaken, match=r"x\.landing\.json, where the claim of a landing would go"):
        land(clip, shelf.places())
    assert server.requests == []
    assert (shelf.folder / "x.landing.json").read_bytes() == content
    land(clip, shelf.places(), options=LandingOptions(overwrite=True))


@pytest.mark.parametrize("content", [b"", b"{\n", b'{\n  "made_by": "kling_airflow",\n  "requ'])
def test_a_claim_that_was_cut_is_no_hindrance(clip: Clip, shelf: Shelf, content: bytes) -> None:
    """The task was killed while it wrote the claim."""
    (shelf.folder / "x.landing.json").write_bytes(content)
    land(clip, shelf.places())
    assert shelf.there() == ["x.jpg", "x.json", "x.mp4"]


def test_a_file_beside_an_earlier_landing_without_poster_is_not_its_poster(clip: Clip, shelf: Shelf) -> None:
    land(clip, shelf.places(), options=LandingOptions(with_poster=False))
    (shelf.folder / "x.jpg").write_bytes(b"mine")
    with pytest.raises(DestinationTaken, match=r"x\.jpg, where the poster would go"):
        land(clip, shelf.places())
    options = LandingOptions(with_poster=False, overwrite=True)
    land(other(clip, request_id="request-2"), shelf.places(), options=options)
    assert (shelf.folder / "x.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "frame",
    [
        *("s3://bucket/x.jpg", "s3a://conn@bucket/x.jpg", "s3://bucket/x.mp4", "s3://bucket/x.json"),
        "s3://bucket/x.jpg?versionId=8f2c",
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_frame_is_never_overwritten(
    clip: Clip, shelf: Shelf, server: FileServer, frame: str, overwrite: bool
) -> None:
    with pytest.raises(DestinationTaken, match="which is one of `frames`"):
        land(
            clip,
            shelf.places(),
            asked=Asked(frames=[{"uri": frame, "sha256": "aa"}]),
            options=LandingOptions(overwrite=overwrite),
        )
    assert server.requests == []
    assert shelf.there() == []


def test_of_two_landings_at_one_destination_the_second_fails_clearly(
    clip: Clip, shelf: Shelf, server: FileServer
) -> None:
    second = other(clip, request_id="request-2")

    def land_first_meanwhile(handler: BaseHTTPRequestHandler, running: FileServer) -> None:
        land(clip, shelf.places())
        serve(handler, running)

    server.faults = [land_first_meanwhile]
    with pytest.raises(
        DestinationTaken, match=r"Another landing has finished at s3://bucket/x\.mp4 meanwhile"
    ):
        land(second, shelf.places())
    assert json.loads((shelf.folder / "x.json").read_bytes())["request_id"] == "request-1"
    assert shelf.there() == ["x.jpg", "x.json", "x.mp4"]


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_landing_keeps_another_away_while_it_writes(
    clip: Clip, shelf: Shelf, server: FileServer, when: str
) -> None:
    shelf.broken = {"write image/jpeg x.jpg"}

    def break_first(handler: BaseHTTPRequestHandler, running: FileServer) -> None:
        with pytest.raises(StorageFailed):
            land(clip, shelf.places())
        serve(handler, running)

    if when == "during":
        server.faults = [break_first]
    else:
        with pytest.raises(StorageFailed):
            land(clip, shelf.places())
    second = other(clip, request_id="request-2")
    with pytest.raises(DestinationTaken, match=r"Request request-1 is being landed at .* since 20") as caught:
        land(second, shelf.places())
    assert "`overwrite=True`" in str(caught.value)
    shelf.broken = set()
    if when == "before":
        land(clip, shelf.places())
        assert json.loads((shelf.folder / "x.json").read_bytes())["request_id"] == "request-1"
    else:
        land(second, shelf.places(), options=LandingOptions(overwrite=True))
        assert json.loads((shelf.folder / "x.json").read_bytes())["request_id"] == "request-2"
    assert shelf.there() == ["x.jpg", "x.json", "x.mp4"]


def test_the_second_clip_of_a_mapped_task_does_not_replace_the_first(clip: Clip, shelf: Shelf) -> None:
    def options(map_index: int, run_id: str = "run") -> LandingOptions:
        task = {"dag_id": "dag", "run_id": run_id, "task_id": "land", "map_index": map_index}
        return LandingOptions(landed_by=task)

    land(clip, shelf.places(), options=options(0))
    second = other(clip, request_id="request-2")
    with pytest.raises(
        DestinationTaken, match=r"which land\[0\] of this run has landed; this is land\[1\]"
    ) as caught:
        land(second, shelf.places(), options=options(1))
    assert "{{ ti.map_index }}" in str(caught.value)
    with pytest.raises(DestinationTaken):
        land(second, shelf.places(), options=options(1, run_id="next"))
    assert land(second, shelf.places(), options=options(0, run_id="next"))["request_id"] == "request-2"


def test_the_next_run_of_the_same_task_replaces_its_clip_and_says_so(
    clip: Clip, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """As a DAG does that lands at one address every day."""
    land(clip, shelf.places(), options=LandingOptions(landed_by=LAND))
    later = LandingOptions(landed_by=LAND | {"run_id": "next"})
    landed = land(other(clip, request_id="request-2"), shelf.places(), options=later)
    assert landed["request_id"] == "request-2"
    assert "Replacing the clip of request request-1, which run run of this task has landed" in caplog.text


def test_every_error_says_that_the_clip_is_paid_for_and_that_landing_again_is_free(
    clip: Clip, shelf: Shelf, server: FileServer
) -> None:
    server.faults = [status(404)]
    with pytest.raises(DownloadFailed) as caught:
        land(clip, shelf.places())
    said = str(caught.value)
    assert "answered 404" in said
    assert "The clip was generated and paid for." in said
    assert said.endswith("Run the task again. Running the landing again buys nothing.")
    assert caught.value.request_id == "request-1"
    assert caught.value.gone


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><body>This link has expired</body></html>", "an HTML page"),
        (b"<Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        (b'{"code": 401, "message": "token expired"}', "token expired"),
        (gzip.compress(b"<html>This link has expired</html>", mtime=0), "gzip data"),
        (encoded(quarters(64, 48)), "a PNG picture"),
        (b"%PDF-1.7\n", "a PDF document"),
    ],
)
def test_a_page_in_place_of_a_clip_is_asked_for_again_and_named(
    clip: Clip,
    shelf: Shelf,
    server: FileServer,
    movie: bytes,
    caplog: pytest.LogCaptureFixture,
    body: bytes,
    kind: str,
) -> None:
    def fresh() -> str:
        server.data = movie
        return server.url

    server.data = body
    assert land(clip, shelf.places(), renew=fresh)["bytes"] == len(movie)
    assert kind in caplog.text
    server.data = body
    said = rf"clip\.mp4 shows .*{kind}.* \(Content-Type not given, {len(body)} bytes\), not a clip\."
    with pytest.raises(InvalidClip, match=said):
        land(
            other(clip, request_id="request-3"),
            shelf.places(),
            renew=lambda: server.url,
            options=LandingOptions(overwrite=True),
        )
    with pytest.raises(InvalidClip, match=said):
        land(other(clip, request_id="request-2"), shelf.places(), options=LandingOptions(overwrite=True))


def test_a_clip_that_is_not_what_was_asked_for_lands_with_warn(
    clip: Clip, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    landed = land(clip, shelf.places(), asked=Asked(duration=9), options=LandingOptions(on_mismatch="warn"))
    assert landed["duration_seconds"] == 5.042
    assert "asked for were 9 s" in caplog.text
    said = json.loads((shelf.folder / "x.json").read_bytes())
    assert said["checks"]["duration"] == "5.04 s, asked for 9 s"


LAND = {"dag_id": "dag", "run_id": "run", "task_id": "land", "map_index": -1}
LATER = {
    "the same task": (LAND, "an earlier try of this task has landed; this is request request-2"),
    "another task in the next run": (
        LAND | {"run_id": "next", "task_id": "x"},
        "holds the clip of request request-1; this is request request-2",
    ),
    "another task": (
        LAND | {"task_id": "x"},
        "holds the clip of request request-1; this is request request-2",
    ),
    "no task": (None, "holds the clip of request request-1; this is request request-2"),
}


@pytest.mark.parametrize("who", LATER)
def test_the_clip_of_another_request_is_replaced_on_demand_only(
    clip: Clip, shelf: Shelf, server: FileServer, who: str
) -> None:
    landed_by, message = LATER[who]
    first = land(clip, shelf.places(), options=LandingOptions(landed_by=LAND))
    second = other(clip, request_id="request-2")
    shelf.done.clear()
    with pytest.raises(DestinationTaken, match=message) as caught:
        land(second, shelf.places(), options=LandingOptions(landed_by=landed_by))
    assert "`overwrite=True`" in str(caught.value)
    assert shelf.done == []
    assert len(server.requests) == 1
    assert land(clip, shelf.places(), options=LandingOptions(landed_by=landed_by)) == first

    landed = land(second, shelf.places(), options=LandingOptions(landed_by=landed_by, overwrite=True))
    assert landed["request_id"] == "request-2"
    assert json.loads((shelf.folder / "x.json").read_bytes())["request_id"] == "request-2"


def test_a_clip_that_is_refused_leaves_the_older_landing_whole(
    clip: Clip, shelf: Shelf, server: FileServer
) -> None:
    first = land(clip, shelf.places())
    server.data = b"<html>not a clip</html>"
    shelf.done.clear()
    with pytest.raises(InvalidClip):
        land(other(clip, request_id="request-2"), shelf.places(), options=LandingOptions(overwrite=True))
    assert shelf.done == []
    assert land(clip, shelf.places()) == first


def test_without_a_poster(clip: Clip, shelf: Shelf) -> None:
    landed = land(clip, shelf.places(), options=LandingOptions(with_poster=False))
    assert landed["poster_uri"] is None
    assert shelf.there() == ["x.json", "x.mp4"]
    assert json.loads((shelf.folder / "x.json").read_bytes())["poster"] is None


def test_a_poster_that_is_wanted_later_is_made(clip: Clip, shelf: Shelf) -> None:
    land(clip, shelf.places(), options=LandingOptions(with_poster=False))
    assert land(clip, shelf.places())["poster_uri"] == "s3://bucket/x.jpg"
    assert shelf.there() == ["x.jpg", "x.json", "x.mp4"]


def test_the_poster_of_another_clip_does_not_stay(clip: Clip, shelf: Shelf) -> None:
    land(clip, shelf.places())
    options = LandingOptions(with_poster=False, overwrite=True)
    land(other(clip, request_id="request-2"), shelf.places(), options=options)
    assert shelf.there() == ["x.json", "x.mp4"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"duration": 10}, "asked for were 10 s"), ({"sound": True}, "no audio track; sound was asked for")],
)
def test_what_was_not_asked_for_is_refused(
    clip: Clip, shelf: Shelf, server: FileServer, tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    server.data = write_clip(tmp_path / "silent.mp4", frames=121).read_bytes()
    with pytest.raises(InvalidClip, match=message):
        land(clip, shelf.places(), asked=Asked(**asked))
    assert shelf.there() == []


def test_an_unknown_duration_and_sound_are_not_checked_and_the_log_says_so(
    clip: Clip, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    land(clip, shelf.places())
    assert json.loads((shelf.folder / "x.json").read_bytes())["checks"] == {
        "duration": "not checked",
        "sound": "not checked",
    }
    assert "duration not checked, audio track: not checked" in caplog.text


def test_a_cut_download_is_resumed(
    clip: Clip, shelf: Shelf, server: FileServer, movie: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults = [cut(len(movie) // 2)]
    assert land(clip, shelf.places())["sha256"] == hashlib.sha256(movie).hexdigest()
    assert server.requests[1]["range"] == f"bytes={len(movie) // 2}-"


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_dead_address_is_asked_for_again(
    clip: Clip, shelf: Shelf, server: FileServer, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    server.faults = [status(code)]
    land(other(clip, video_url=server.url + "?sig=secret"), shelf.places(), renew=lambda: server.url)
    assert server.paths == ["/clip.mp4?sig=secret", "/clip.mp4"]
    assert f"answered {code}" in caplog.text
    assert "secret" not in caplog.text


def test_a_clip_without_an_address_asks_for_one(clip: Clip, shelf: Shelf, server: FileServer) -> None:
    land(other(clip, video_url=None), shelf.places(), renew=lambda: server.url)
    assert len(server.requests) == 1
    with pytest.raises(DownloadFailed, match="no video_url"):
        land(
            other(clip, video_url=None, request_id="request-2"),
            shelf.places(),
            options=LandingOptions(overwrite=True),
        )


def test_an_address_that_stays_dead_is_an_error(clip: Clip, shelf: Shelf, server: FileServer) -> None:
    server.faults = [status(404), status(404), status(404)]
    with pytest.raises(DownloadFailed, match="answered 404"):
        land(clip, shelf.places(), renew=lambda: server.url)
    assert len(server.requests) == 2


def test_only_a_dead_address_is_asked_for_again(
    clip: Clip, shelf: Shelf, server: FileServer, movie: bytes
) -> None:
    def never() -> str:
        raise AssertionError("asked again")

    with pytest.raises(DownloadFailed, match="max_bytes"):
        land(clip, shelf.places(), limits=DownloadLimits(max_bytes=len(movie) - 1), renew=never)


def test_the_temporary_file_is_gone_afterwards(
    clip: Clip, shelf: Shelf, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    land(clip, shelf.places())
    server.data = b"no clip"
    with pytest.raises(InvalidClip):
        land(other(clip, request_id="request-2"), shelf.places(), options=LandingOptions(overwrite=True))
    assert list((tmp_path / "tmp").iterdir()) == []
