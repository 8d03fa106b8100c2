"""Budgets in the operators, against the simulator's bill: never exceeded, given back when unbilled."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from kling_airflow import exceptions
from kling_airflow.gmi.client import GMIClient
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.simulator import Simulator
from tests.airflow_context import TaskStateStore, context
from tests.kills import begin_try, ended, import_before_forks, quick_queue, strangers
from tests.operators.test_storyboard import operator as storyboard_operator
from tests.operators.test_storyboard import running, shot, simulator
from tests.tasks import finish, operator, posts

__all__ = ["quick_queue", "running", "simulator"]


@pytest.fixture
def ledger(tmp_path: Path, deployment: None) -> str:
    (tmp_path / "ledger").mkdir()
    return (tmp_path / "ledger").as_uri()


def budgets(monkeypatch: pytest.MonkeyPatch, *rules: dict[str, Any]) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__BUDGETS", json.dumps(rules))


def mapped(index: int, number: int = 1) -> dict[str, Any]:
    given = context(try_number=number, max_tries=99)
    given["ti"].map_index = index
    return given


class TestConfigured:
    def test_a_task_that_does_not_fit_buys_nothing(
        self, simulator: Simulator, rocket: str, ledger: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, {"usd": 2})
        for index in range(2):
            operator(rocket, ledger=ledger).execute(mapped(index))
        with pytest.raises(exceptions.BudgetExceeded, match=r"\$1\.68 of the budget .*\$2\.00 a day \(UTC\)"):
            operator(rocket, ledger=ledger).execute(mapped(2))
        assert posts(simulator) == 2

    def test_what_is_bought_already_is_found_though_the_budget_is_used_up(
        self, simulator: Simulator, rocket: str, ledger: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, {"usd": 0.84})
        first = operator(rocket, ledger=ledger).execute(mapped(0))
        assert operator(rocket, ledger=ledger).execute(mapped(0, 2)) == first

    def test_a_refusal_gives_the_claim_back(
        self, simulator: Simulator, rocket: str, ledger: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, {"usd": 0.84})
        simulator.faults.add("http-error", call="POST /requests", status=400, message="bad prompt")
        with pytest.raises(exceptions.Rejected):
            operator(rocket, ledger=ledger).execute(mapped(0))
        operator(rocket, ledger=ledger).execute(mapped(1))

    def test_not_now_holds_no_claim_twice(
        self, simulator: Simulator, rocket: str, ledger: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, {"usd": 0.84})
        simulator.faults.add("rate-limited", call="POST /requests", times=3)
        operator(rocket, ledger=ledger).execute(mapped(0))

    @pytest.mark.parametrize("again", [True, False])
    def test_a_failed_generation_gives_the_claim_back(
        self, simulator: Simulator, rocket: str, ledger: str, monkeypatch: pytest.MonkeyPatch, again: bool
    ) -> None:
        """By the resubmission that follows it, or by the failure of the task."""
        budgets(monkeypatch, {"usd": 0.84})
        fault = "failed-rate-limit" if again else "failed-content-policy"
        simulator.faults.add(fault, contains="rise")
        made = operator(rocket, ledger=ledger, wait_for_completion=True)
        if again:
            finish(made, mapped(0))
        else:
            with pytest.raises(exceptions.GenerationFailed):
                finish(made, mapped(0))
            operator(rocket, ledger=ledger).execute(mapped(1))
        assert posts(simulator) == 2

    def test_a_lost_answer_keeps_the_claim(
        self, simulator: Simulator, rocket: str, ledger: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budgets(monkeypatch, {"usd": 0.84})
        simulator.faults.add("reset-after", call="POST /requests")
        operator(rocket, ledger=ledger).execute(mapped(0))
        with pytest.raises(exceptions.BudgetExceeded):
            operator(rocket, ledger=ledger).execute(mapped(1))


def test_a_hundred_tasks_against_ten_dollars_under_kills(
    quick_queue: Simulator, rocket: str, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fifth try or so is killed, wherever it is; at the end eleven clips of $0.84 are billed."""
    first = {"task_id": "submit", "image": rocket, "prompt": "Rise.", "ledger": ledger}
    import_before_forks(KlingImageToVideoOperator, first, context())
    quick_queue.reset()
    budgets(monkeypatch, {"usd": 10})
    simulator, chance, pause = quick_queue, random.Random(7), threading.Event()
    client = GMIClient(simulator.api_key, simulator.base_url)
    image = client.upload(Path(rocket.removeprefix("file://")).read_bytes(), "jpeg")
    fields = {"task_id": "submit", "image": rocket, "duration": 5, "ledger": ledger, "retries": 99}
    tries, waiting, live = dict.fromkeys(range(100), 0), list(range(100)), dict[int, int]()
    bought, refused, kills = 0, 0, 0
    with strangers(simulator, image) as others:
        while waiting or live:
            while waiting and len(live) < 8:
                index = waiting.pop(0)
                tries[index] += 1
                asked = {**fields, "prompt": f"Rise {index}."}
                live[begin_try(KlingImageToVideoOperator, asked, mapped(index, tries[index]))] = index
            if kills < 20 and sum(tries.values()) > 4 * (kills + 1) and live:
                os.kill(chance.choice(list(live)), signal.SIGKILL)
                kills += 1
            for child in list(live):
                code = ended(child)
                if code is not None:
                    index = live.pop(child)
                    bought += code == 0
                    refused += code == 1
                    waiting += [index] if code < 0 else []
            ours = [entry for entry in simulator.ledger() if entry.request_id not in others]
            assert sum(entry.amount_microusd for entry in ours) <= 10_000_000
            pause.wait(0.02)
    assert (bought, refused) == (11, 89)
    assert kills == 20
    ours = [entry for entry in simulator.ledger() if entry.request_id not in others]
    assert len(ours) == 11


class TestOfAStoryboard:
    def test_it_is_refused_as_a_whole(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        shots = [shot(rocket, "a", takes=2), shot(rocket, "b")]
        made = storyboard_operator(shots, tmp_path, budget_usd=1.5)
        with pytest.raises(exceptions.BudgetExceeded, match=r"budget_usd.*\$1\.50, and it costs \$1\.51"):
            made.execute(context())
        assert posts(simulator) == 0
        assert finish(storyboard_operator(shots, tmp_path, budget_usd=1.52), context())["landed"] == 3

    def test_an_unknown_price_is_asked_for(self, simulator: Simulator, tmp_path: Path) -> None:
        title = {"name": "title", "prompt": "Stars.", "duration": 3}
        with pytest.raises(exceptions.BudgetExceeded, match="it costs"):
            storyboard_operator([title], tmp_path, budget_usd=0.1).execute(context())
        assert finish(storyboard_operator([title], tmp_path, budget_usd=1), context())["landed"] == 1

    def test_what_was_bought_under_another_prompt_counts(
        self, simulator: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        store = TaskStateStore()
        finish(storyboard_operator([shot(rocket, "a")], tmp_path, budget_usd=0.6), context(store))
        changed = [shot(rocket, "a", prompt="Fall.")]
        cleared = context(store, try_number=2, max_tries=1, clear_number=1)
        with pytest.raises(exceptions.GenerationFailed, match=r"\$0\.50 of the budget are claimed"):
            finish(storyboard_operator(changed, tmp_path, budget_usd=0.6, overwrite=True), cleared)
        assert posts(simulator) == 1

    def test_a_failed_request_does_not_count(self, simulator: Simulator, rocket: str, tmp_path: Path) -> None:
        simulator.faults.add("failed-rate-limit", contains="Rise, a.")
        made = storyboard_operator([shot(rocket, "a")], tmp_path, budget_usd=0.6)
        assert finish(made, context())["landed"] == 1
        assert posts(simulator) == 2

    @pytest.mark.parametrize("value", [0, "0", "", "much", -1])
    def test_a_budget_that_is_none(self, tmp_path: Path, value: object) -> None:
        with pytest.raises(exceptions.InvalidArgument, match="budget_usd"):
            storyboard_operator([{"name": "a", "prompt": "x"}], tmp_path, budget_usd=value)

    def test_the_budgets_of_all_tasks_hold_besides(
        self,
        simulator: Simulator,
        rocket: str,
        tmp_path: Path,
        ledger: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        budgets(monkeypatch, {"usd": 1.1})
        shots = [shot(rocket, name) for name in "abc"]
        made = storyboard_operator(shots, tmp_path / "clips", ledger=ledger, on_shot_failure="continue")
        report = finish(made, context())
        assert (report["landed"], report["failed"]) == (2, 1)
        assert posts(simulator) == 2
