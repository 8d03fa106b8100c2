"""The command that plans: its table, its JSON, its errors."""

from __future__ import annotations

import json

import pytest

from kling_airflow.__main__ import main


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", "--clips-per-day", "100,000", "--seconds", "170"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "100,000 clips a day",
        "590 requests",
        "11 of 2 cores",
        "4,460,000 a day",
        "$84,000.00 a day",
    ):
        assert part in shown


def test_the_json_names_the_sources(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--clips-per-day",
        "1000",
        "--way",
        "storyboard",
        "--sound",
        "--clip-seconds",
        "10",
        "--json",
    ]
    assert main(["capacity", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["demand"]["clip_seconds"] == 10
    assert found["plan"]["clips_usd_per_day"] == pytest.approx(2520)
    assert "docs/waiting.md" in found["measured"]["CPU_PER_LOOK"]["source"]
    assert found["measured"]["WAYS.mapped.worker_cpu"]["date"] == "2026-11-28"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clips-per-day", "-5"], "`clips_per_day` is -5; it must be a whole number from 0 to 10,000,000"),
        (["--clips-per-day", "many"], "`clips_per_day` is 'many'"),
        (["--clips-per-day", "9", "--seconds", "0"], "`seconds` is 0; it must be a number from 1 to 86,400"),
        (["--clips-per-day", "9", "--peak", "nan"], "`peak` is nan"),
        (["--clips-per-day", "9", "--way", "fast"], "`way` is 'fast'; it must be one of mapped, storyboard"),
    ],
)
def test_a_value_that_cant_be_used(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capacity", *arguments]) == 1
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
