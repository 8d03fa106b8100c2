"""The sums that let ``make chaos`` fail: they would say so if a clip were bought twice, or lost."""

from __future__ import annotations

from typing import Any

from kling_airflow.simulator.queue.billing import LedgerEntry
from tests.chaos.account import Account, settle
from tests.chaos.storyboard import settle_board

BUYER = "clip.generate"


def request(number: int, *, billed: bool = True) -> LedgerEntry:
    return LedgerEntry(
        request_id=f"request-{number}",
        key_name="ours",
        organization="org",
        model="kling-v3-image-to-video",
        payload_digest="",
        created_at=0.0,
        finished_at=1.0,
        billed=billed,
        amount_microusd=500_000 if billed else 0,
        outcome="success" if billed else "failed",
        error=None,
        calls={},
    )


def instance(task_id: str, state: str, *, tries: int = 1) -> dict[str, Any]:
    times = {"start_date": "2026-01-01T00:00:00+00:00", "end_date": "2026-01-01T00:01:00+00:00"}
    return {"task_id": task_id, "map_index": 0, "state": state, "try_number": tries, **times}


def account(
    *requests: LedgerEntry, generate: str = "success", land: str = "success", unresolved: bool = False
) -> Account:
    return settle(
        ["a clip"],
        {"a clip": list(requests), "another team's": [request(99)]},
        [instance(BUYER, generate, tries=3), instance("clip.land", land)],
        buyer=BUYER,
        unresolved=frozenset({0} if unresolved else ()),
    )


def test_one_request_and_its_clip() -> None:
    result = account(request(1))
    assert (result.billed, result.landed, result.bought_twice, result.lost) == (1, 1, 0, 0)
    assert result.balances
    assert (result.spent_usd, result.wasted_usd, result.tries, result.seconds) == (0.5, 0.0, 3, 60.0)


def test_a_second_request_for_the_same_clip_is_bought_twice() -> None:
    result = account(request(1), request(2))
    assert (result.billed, result.landed, result.bought_twice, result.lost) == (2, 1, 1, 0)
    assert (result.spent_usd, result.wasted_usd) == (1.0, 0.5)
    assert not result.balances


def test_a_failed_request_costs_nothing_and_may_be_bought_again() -> None:
    result = account(request(1, billed=False), request(2))
    assert (result.billed, result.bought_twice, result.wasted_usd) == (1, 0, 0.0)


def test_what_is_paid_for_and_does_not_land_is_lost() -> None:
    result = account(request(1), generate="failed", land="upstream_failed")
    assert (result.billed, result.landed, result.lost, result.wasted_usd) == (1, 0, 1, 0.5)
    assert not result.balances


def test_what_is_still_looked_for_is_not_lost() -> None:
    result = account(request(1), generate="deferred", land="scheduled", unresolved=True)
    assert (result.lost, result.unresolved, result.wasted_usd) == (0, 1, 0.0)
    assert not result.balances


def test_what_nobody_bought_is_neither() -> None:
    result = account(generate="failed", land="upstream_failed")
    assert (result.billed, result.landed, result.bought_twice, result.lost) == (0, 0, 0, 0)
    assert (result.unbilled, result.balances) == (1, True)


def test_what_failed_and_was_not_billed_costs_nothing() -> None:
    result = account(request(1, billed=False), generate="failed", land="upstream_failed")
    assert (result.billed, result.landed, result.unbilled, result.lost) == (0, 0, 1, 0)
    assert result.balances


class TestOfAStoryboard:
    """The run fails unless each shot is billed once, and that clip has landed."""

    def account(
        self, *orders: list[LedgerEntry], landed: set[str], unresolved: frozenset[str] = frozenset()
    ) -> Account:
        asked = [f"shot {number}" for number in range(len(orders))]
        by_prompt = dict(zip(asked, orders, strict=True)) | {"another team's": [request(99)]}
        return settle_board(asked, by_prompt, landed, tries=5, seconds=60.0, unresolved=unresolved)

    def test_each_shot_once(self) -> None:
        result = self.account([request(1)], [request(2)], landed={"request-1", "request-2"})
        assert (result.asked, result.billed, result.landed) == (2, 2, 2)
        assert (result.bought_twice, result.lost, result.tries, result.wasted_usd) == (0, 0, 5, 0.0)

    def test_a_second_request_for_a_shot_is_bought_twice(self) -> None:
        result = self.account([request(1), request(2)], landed={"request-2"})
        assert (result.billed, result.landed, result.bought_twice, result.lost) == (2, 1, 1, 0)
        assert result.wasted_usd == 0.5

    def test_what_is_paid_for_and_does_not_land_is_lost(self) -> None:
        result = self.account([request(1)], [], [request(3, billed=False)], landed=set())
        assert (result.billed, result.landed, result.lost, result.wasted_usd) == (1, 0, 1, 0.5)
        assert (result.unbilled, result.balances) == (2, False)

    def test_what_is_still_looked_for_is_not_lost(self) -> None:
        looked_for = frozenset({"shot 0", "shot 1", "shot 2"})
        result = self.account([request(1)], [], [request(3)], landed={"request-3"}, unresolved=looked_for)
        assert (result.landed, result.lost, result.unbilled, result.unresolved) == (1, 0, 0, 2)
        assert not result.balances
