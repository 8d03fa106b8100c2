"""A storyboard whose address came from data is read only where the setting allows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.storyboard_file import read_storyboard
from kling_airflow.storyboard import InvalidStoryboard


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "shots.yaml"
    path.write_text("- {name: a, frame: stills/a.jpg, prompt: Rise.}\n")
    return path


def test_an_address_from_data_is_confined(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="allowed_sources"):
        read_storyboard(board.as_uri())
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
    (shot,) = read_storyboard(board.as_uri())
    assert shot.frame == (board.parent / "stills" / "a.jpg").as_uri()
    assert read_storyboard(str(board)).shots == (shot,)


@pytest.mark.parametrize("name", ["shots.txt", "missing.yaml", "bad.yaml"])
def test_what_can_not_be_read(board: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
    (board.parent / "shots.txt").write_text("x")
    (board.parent / "bad.yaml").write_text("- {name: a}")
    error = InvalidStoryboard if name == "bad.yaml" else InvalidArgument
    with pytest.raises(error):
        read_storyboard((board.parent / name).as_uri())
