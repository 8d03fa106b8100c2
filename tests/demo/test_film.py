"""The demo of a storyboard: what it asks for can be ordered, and its summary names the film."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from kling_airflow.demo.film import BUDGET_USD, Film, FilmDemo
from kling_airflow.demo.options import END, START, Options
from kling_airflow.storyboard import Storyboard

OPTIONS = Options(
    start=START,
    end=END,
    prompt='It\'s a rocket: "up", {and} away #1.',
    duration=3,
    sound=True,
    keep=False,
    output=Path("demo-output"),
    home=Path(".demo"),
    port=None,
    speed=20.0,
    story=True,
)


@pytest.mark.parametrize("end", [END, None])
def test_the_storyboard_can_be_ordered(tmp_path: Path, end: Path | None) -> None:
    stored: dict[str, bytes] = {}

    def upload(file: Path, uri: str) -> str:
        stored[uri] = file.read_bytes()
        return uri

    stack: Any = SimpleNamespace(home=tmp_path, store=SimpleNamespace(upload=upload))
    given = FilmDemo(replace(OPTIONS, end=end), Console())._parameters(stack)
    board = Storyboard.parse(stored[given["storyboard"]], given["storyboard"])
    assert [shot.name for shot in board] == ["launch", "flight", "arrival"]
    assert board.shots[1].continues == "launch"
    assert board.shots[0].options.values["prompt"] == 'It\u2019s a rocket: "up", {and} away #1.'
    assert {shot.frame for shot in board if shot.frame} <= stored.keys()
    assert (board.price().total_usd or 0) < BUDGET_USD


def test_the_summary_names_the_film_and_each_shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "film.mp4"
    file.write_bytes(b"x" * 2_345_678)
    row = {"state": "landed", "cost_usd": 0.756, "duration_seconds": 3.04}
    names = ("launch", "flight", "arrival.1", "arrival.2")
    rows = [{**row, "name": name, "uri": f"s3://clips/run/{name}.mp4"} for name in names]
    report = {"shots": rows, "cost_usd": 3.024}
    text = io.StringIO()
    demo = FilmDemo(OPTIONS, Console(file=text, width=120))
    demo._show(Film(report, {"duration_seconds": 9.1}, {"Film": file}, billed=4, seconds=83.4))
    for part in ("film.mp4  (2.3 MB)", "$3.02 on the real service", "4 requests", "9.10 s", *names):
        assert part in text.getvalue()
