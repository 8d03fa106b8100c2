"""Storyboards of tests, written to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.storyboard import InvalidStoryboard, Storyboard

SHOT: dict[str, Any] = {"name": "launch", "frame": "s3://stills/rocket.jpg", "prompt": "The rocket rises."}


def refused(source: Any) -> list[tuple[int | None, str | None, str]]:
    """Return line, field and words of each problem of a storyboard that can't be used."""
    with pytest.raises(InvalidStoryboard) as caught:
        Storyboard.load(source)
    return [(problem.line, problem.field, problem.what) for problem in caught.value.problems]


def file_of(folder: Path, name: str, text: str | bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def as_json(folder: Path, value: object, **options: Any) -> Path:
    """Write a JSON file and return its path."""
    return file_of(folder, "shots.json", json.dumps(value, **options))
