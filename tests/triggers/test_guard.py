from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest

from kling_airflow.triggers import guard
from kling_airflow.triggers.guard import cancel_if_over, is_over
from tests.airflow_context import connect

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator

LOG = logging.getLogger(__name__)


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "removed"])
def test_four_states_mean_that_the_task_is_over(state: str) -> None:
    assert is_over({"run": {"task": state}}, "run", "task", -1)
    assert is_over({"run": {"task_3": state}}, "run", "task", 3)


@pytest.mark.parametrize("state", ["deferred", "running", "queued", "scheduled", "up_for_retry", None, "new"])
def test_every_other_state_leaves_the_request_alive(state: str | None) -> None:
    assert not is_over({"run": {"task": state}}, "run", "task", -1)


@pytest.mark.parametrize(
    "states", [{}, {"run": {}}, {"run": {"task_1": "failed"}}, {"other": {"task": "failed"}}]
)
def test_what_airflow_does_not_know_stays_alive(states: dict[str, dict[str, str]]) -> None:
    assert not is_over(states, "run", "task", -1)
    assert not is_over(states, "run", "task", 2)


def test_an_on_kill_that_is_itself_cancelled_still_cancels_the_request(
    gmi_simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow cancels the trigger again a second later; the first answer of a cold triggerer takes longer."""
    connect(monkeypatch, gmi_simulator.base_url, gmi_simulator.api_key)
    may_answer = threading.Event()

    def slowly(ti: object) -> bool:
        return may_answer.wait(30)

    monkeypatch.setattr(guard, "task_is_over", slowly)

    async def killed_twice() -> None:
        on_kill = asyncio.create_task(cancel_if_over(object(), "gmi_cloud_default", "an-id", LOG))
        await asyncio.sleep(0)
        on_kill.cancel("user-action")
        with pytest.raises(asyncio.CancelledError):
            await on_kill
        may_answer.set()
        await asyncio.gather(*guard._under_way)

    asyncio.run(killed_twice())
    assert gmi_simulator.calls()["DELETE /requests/{id}"] == 1
