from __future__ import annotations

import json
from pathlib import Path

import pytest

from kling_airflow.__main__ import main
from kling_airflow.simulator import Simulator
from tests.airflow_context import connect

BOARD = """\
title: To the stars [bold]
shots:
  - {name: launch, frame: rocket.jpg, prompt: "The rocket rises. [red]", takes: 2, duration: 5}
  - {name: arrival, continues: true, prompt: The camera glides., sound: on, duration: 5}
"""


@pytest.fixture
def board(tmp_path: Path) -> str:
    path = tmp_path / "shots.yaml"
    path.write_text(BOARD)
    return str(path)


def test_check(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["storyboard", "check", board]) == 0
    assert "can be used: 2 shots, 3 clips, 10 s of film." in capsys.readouterr().out


def test_check_names_everything_that_is_wrong(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(board).write_text(BOARD.replace("takes: 2", "takes: 99").replace("glides., ", "glides., len: 3, "))
    assert main(["storyboard", "check", board]) == 1
    error = capsys.readouterr().err
    assert f"{board}:3: shot 'launch', `takes`: is '99'" in error
    assert f"{board}:4: shot 'arrival', `len`: is no field of a shot" in error
    assert main(["storyboard", "check", board, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["problems"]
    assert [(each["line"], each["field"]) for each in found] == [(3, "takes"), (4, "len")]


def test_price(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["storyboard", "price", board]) == 0
    text = capsys.readouterr().out
    assert "To the stars [bold]" in text, "text of a storyboard is no markup"
    assert "2 shots, 3 clips, 10 s of film: $2.94." in text
    assert main(["storyboard", "price", board, "--json"]) == 0
    price = json.loads(capsys.readouterr().out)
    assert (price["total_usd"], [each["total_usd"] for each in price["shots"]]) == (2.94, [1.68, 1.26])


@pytest.mark.parametrize(("budget", "code"), [("2.94", 0), ("2.93", 1), ("0", 1)])
def test_a_budget(board: str, budget: str, code: int) -> None:
    assert main(["storyboard", "price", board, "--budget-usd", budget]) == code


@pytest.mark.parametrize("budget", ["nan", "inf", "-1", "ten", ""])
def test_a_budget_that_is_no_amount(board: str, budget: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No price is above NaN: such a budget would allow every price."""
    with pytest.raises(SystemExit, match="2"):
        main(["storyboard", "price", board, f"--budget-usd={budget}"])
    assert f"`--budget-usd` is '{budget}'" in capsys.readouterr().err


def test_a_prompt_does_not_command_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "shots.json"
    path.write_text('[{"name": "title", "prompt": "Stars \\u001b[31m red."}]')
    assert main(["storyboard", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "Stars [31m red." in shown
    assert "\x1b" not in shown


def test_an_unknown_price_breaks_a_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shots.json"
    path.write_text('[{"name": "title", "prompt": "Stars."}]')
    assert main(["storyboard", "price", str(path), "--budget-usd", "100"]) == 1
    assert "the price is not known" in capsys.readouterr().err
    with Simulator(render="fast") as simulator:
        connect(monkeypatch, simulator.base_url, simulator.api_key)
        arguments = ["storyboard", "price", str(path), "--conn-id", "gmi_cloud_default"]
        assert main([*arguments, "--budget-usd", "100"]) == 0


def test_show(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["storyboard", "show", board]) == 0
    text = capsys.readouterr().out
    assert "last frame of launch" in text
    assert "The rocket rises. [red]" in text
    assert main(["storyboard", "show", board, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [shot["name"] for shot in shown["shots"]] == ["launch", "arrival"]


def test_an_address(board: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["storyboard", "check", Path(board).as_uri()]) == 0
    assert main(["storyboard", "check", "file:///no/such/shots.yaml"]) == 1
    assert "kling-airflow storyboard: " in capsys.readouterr().err
