"""What was spent, held against the simulator's bill."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.__main__ import main
from kling_airflow.exceptions import GenerationFailed
from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from tests.airflow_context import connect, context
from tests.operators.test_storyboard import operator, shot
from tests.task_fixtures import deployment, frames, rocket
from tests.tasks import finish

__all__ = ["deployment", "frames", "rocket"]


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    monkeypatch.setattr("kling_airflow.submission.submit.FIRST_BACKOFF", 0.01)
    with Simulator(speed=600, render="fast", submit_seconds=0) as running:
        connect(monkeypatch, running.base_url, running.api_key)
        yield running


@pytest.fixture
def bought(
    simulator: Simulator, rocket: str, tmp_path: Path, deployment: None, monkeypatch: pytest.MonkeyPatch
) -> Simulator:
    """A storyboard with a lost answer, a failure that was made good, and one that was not; and strangers."""
    (tmp_path / "ledger").mkdir()
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", (tmp_path / "ledger").as_uri())
    simulator.faults.add("failed-rate-limit", contains="Rise, b.")
    simulator.faults.add("failed-content-policy", contains="Rise, bad.", times=9)
    simulator.faults.add("reset-after", call="POST /requests")
    title = {"name": "title", "prompt": "Stars.", "duration": 4, "sound": True}
    shots = [shot(rocket, "a", takes=2), shot(rocket, "b", sound=True), shot(rocket, "bad"), title]
    with pytest.raises(GenerationFailed):
        finish(operator(shots, tmp_path / "clips"), context())
    simulator.faults.add("stuck-queued", contains="another team's")
    payload = {"prompt": "another team's", "duration": "10", "sound": "off", "aspect_ratio": "16:9"}
    with GMIClient(simulator.api_key, simulator.base_url) as client:
        client.submit("kling-v3-text-to-video", payload)
    return simulator


def spend(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["spend", *arguments]) == 0
    return capsys.readouterr().out


def bill(simulator: Simulator, *states: str) -> float:
    return sum(entry.amount_usd for entry in simulator.ledger() if entry.outcome in states)


def test_it_is_the_bill(bought: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    content: dict[str, Any] = json.loads(spend(capsys, "--json"))
    assert content["usd"] == pytest.approx(bill(bought, "success"))
    assert content["held_usd"] == pytest.approx(bill(bought, "queued", "dispatched", "processing"))
    assert content["usd"] + content["held_usd"] == pytest.approx(
        sum(entry.amount_usd for entry in bought.ledger())
    )
    amounts = {row["request_id"]: row["usd"] + row["held_usd"] for row in content["requests"]}
    assert amounts == pytest.approx({entry.request_id: entry.amount_usd for entry in bought.ledger()})


def test_by_dag_task_and_state(bought: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(spend(capsys, "--by", "dag,task,state", "--csv"))))
    found = {(row["dag"], row["task"], row["state"]): float(row["usd"]) for row in rows}
    assert found == pytest.approx(
        {
            ("dag", "submit shot a.1", "success"): 0.504,
            ("dag", "submit shot a.2", "success"): 0.504,
            ("dag", "submit shot b.1", "failed"): 0.0,
            ("dag", "submit shot b.1", "success"): 0.756,
            ("dag", "submit shot bad.1", "failed"): 0.0,
            ("dag", "submit shot title.1", "success"): bill(bought, "success") - 1.764,
            ("(not in the ledger)", "", "queued"): 0.0,
        }
    )


def test_the_table_has_a_sum(bought: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    text = spend(capsys)
    assert f"${bill(bought, 'success'):.2f}" in text.splitlines()[-2]
    assert time.strftime("%Y-%m-%d", time.gmtime()) in text


def test_only_some(bought: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(spend(capsys, "--json", "--until", "2020-01-01"))["usd"] == 0
    assert json.loads(spend(capsys, "--json", "--since", "2020-01-01", "--dag", "other"))["requests"] == []
    ours = json.loads(spend(capsys, "--json", "--dag", "dag"))
    assert {row["dag"] for row in ours["requests"]} == {"dag"}


def test_without_a_ledger_the_sum_is_the_same(
    bought: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__KLING__LEDGER")
    monkeypatch.delenv("AIRFLOW__KLING__DEPLOYMENT")
    content = json.loads(spend(capsys, "--json"))
    assert content["usd"] == pytest.approx(bill(bought, "success"))
    assert {row["dag"] for row in content["requests"]} == {"(not in the ledger)"}


def test_an_unreadable_record_is_named(
    bought: Simulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = next((tmp_path / "ledger").rglob("*shot-a_1*/*/000001.json"))
    (file.parent / "000009.json").write_text("{}")
    assert main(["spend"]) == 1
    assert "000009.json is unreadable" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--by", "cost"], ["--by", ""], ["--since", "yesterday"], ["--json", "--csv"]]
)
def test_misuse(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["spend", *arguments])


def test_a_key_that_is_refused(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, simulator.base_url, "wrong")
    assert main(["spend"]) == 1
