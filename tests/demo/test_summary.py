"""The summary names the clip, its price, and where it is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from kling_airflow.demo.summary import Result, cost, shortest, show, size

if TYPE_CHECKING:
    import pytest

LANDED: dict[str, Any] = {
    "uri": "s3://clips/run/rocket.mp4",
    "sha256": "ab" * 32,
    "bytes": 2_345_678,
    "duration_seconds": 5.0416,
    "width": 1280,
    "height": 720,
    "fps": 24.0,
    "has_audio": True,
    "poster_uri": "s3://clips/run/rocket.jpg",
    "sidecar_uri": "s3://clips/run/rocket.json",
    "request_id": "12345678-1234-1234-1234-123456789012",
}


def shown(folder: Path, *, width: int = 100, **changes: Any) -> str:
    file = folder / "rocket.mp4"
    file.write_bytes(b"x" * 2_345_678)
    text = io.StringIO()
    result = Result({"cost_usd": 1.26}, LANDED | changes, {"Clip": file}, billed=1, seconds=83.4)
    show(Console(file=text, width=width), result)
    return text.getvalue()


def test_it_says_what_was_made_and_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = shown(tmp_path)
    for part in (
        "rocket.mp4  (2.3 MB)",
        "5.04 s",
        "1280 x 720, 24 frames a second",
        "a track, as asked for",
        "$1.26 on the real service, $0 here",
        "1 request, by the simulator's ledger",
        "ab" * 32,
        "s3://clips/run/rocket.mp4",
        "83 s",
    ):
        assert part in text


def test_a_silent_clip_says_so_and_a_narrow_terminal_loses_nothing(tmp_path: Path) -> None:
    text = shown(tmp_path, width=50, has_audio=False)
    assert "none" in text
    assert "".join(text.split()).count("ab") >= 20


def test_cost_and_size_as_people_say_them(tmp_path: Path) -> None:
    assert cost(0.84, 2) == "$1.68 on the real service, $0 here"
    assert "isn't known" in cost(None, 1)
    assert (size(10), size(1_234), size(12_345_678)) == ("1 kB", "1 kB", "12.3 MB")


def test_paths_below_the_current_folder_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shortest(tmp_path / "out" / "a.mp4") == Path("out/a.mp4")
    assert shortest(Path("/elsewhere/a.mp4")) == Path("/elsewhere/a.mp4")
