"""Claims on a budget: never above the limit, whatever the number of writers and whenever they die."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import BudgetExceeded, UnreadableRecord
from kling_airflow.exceptions import BudgetExceeded as AirflowBudgetExceeded
from kling_airflow.exceptions import airflow_errors
from kling_airflow.submission.budget import (
    SNAPSHOT_EVERY,
    Budget,
    Budgets,
    MemoryClaims,
    StoredClaims,
    claim_name,
    microusd,
)
from kling_airflow.submission.exclusive_store import LocalStore
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey

CLIP = 840_000
TEN_USD = 10_000_000
KEY = TaskKey("d", "r", "t")


def claims(root: Path) -> StoredClaims:
    """Return the claims as another process sees them."""
    return StoredClaims(LocalStore(root), "prod/budgets/day/2026-05-01")


def record(take: int = 1, price: float | None = 0.84, earlier: tuple[str, ...] = ()) -> SubmissionRecord:
    return SubmissionRecord("f" * 64, take, "m", State.SENDING, earlier=earlier, price_usd=price)


class TestStoredClaims:
    def test_a_hundred_writers_at_once_claim_ten_dollars_and_no_more(self, tmp_path: Path) -> None:
        claimed: list[str] = []
        barrier = threading.Barrier(100)

        def claim(name: str) -> None:
            mine = claims(tmp_path)
            barrier.wait()
            if mine.claim(name, CLIP, TEN_USD) is None:
                claimed.append(name)

        threads = [threading.Thread(target=claim, args=(f"o{n}.0",)) for n in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(claimed) == TEN_USD // CLIP == 11
        last = claims(tmp_path)
        assert last.claim("late.0", CLIP, TEN_USD) == 11 * CLIP
        assert sorted(last.held) == sorted(claimed)

    def test_a_claim_counts_once_however_often_it_is_made(self, tmp_path: Path) -> None:
        for _ in range(5):
            assert claims(tmp_path).claim("o.0", CLIP, CLIP) is None
        assert claims(tmp_path).claim("p.0", 1, CLIP) == CLIP

    def test_what_is_given_back_can_be_claimed_again(self, tmp_path: Path) -> None:
        first, second = claims(tmp_path), claims(tmp_path)
        assert first.claim("o.0", CLIP, CLIP) is None
        assert second.claim("p.0", CLIP, CLIP) == CLIP
        first.release("o.0")
        first.release("o.0")
        assert second.claim("p.0", CLIP, CLIP) is None

    def test_a_writer_that_dies_after_its_entry_has_claimed_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create = LocalStore.create

        def die(store: LocalStore, key: str, data: bytes) -> bool:
            create(store, key, data)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "create", die)
            with pytest.raises(KeyboardInterrupt):
                claims(tmp_path).claim("o.0", CLIP, CLIP)
        assert claims(tmp_path).claim("o.0", CLIP, CLIP) is None
        assert claims(tmp_path).claim("p.0", 1, CLIP) == CLIP

    def test_a_new_process_reads_little_of_a_long_journal(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = claims(tmp_path)
        for number in range(3 * SNAPSHOT_EVERY + 5):
            writer.claim(f"o{number}.0", 1, TEN_USD)
        reads: list[str] = []
        read = LocalStore.read

        def counted(store: LocalStore, key: str) -> bytes | None:
            reads.append(key)
            return read(store, key)

        monkeypatch.setattr(LocalStore, "read", counted)
        reader = claims(tmp_path)
        reader.claim("o0.0", 1, TEN_USD)
        assert reader.held == writer.held
        assert len(reads) <= SNAPSHOT_EVERY

    @pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"version": 9, "number": 1}'])
    def test_an_unreadable_entry_is_no_room(self, tmp_path: Path, damage: bytes) -> None:
        claims(tmp_path).claim("o.0", CLIP, TEN_USD)
        (file,) = tmp_path.rglob("000001.json")
        file.write_bytes(damage)
        with pytest.raises(UnreadableRecord, match="000001"):
            claims(tmp_path).claim("p.0", CLIP, TEN_USD)

    @given(
        st.lists(
            st.tuples(st.sampled_from("abcdef"), st.integers(1, 40), st.booleans(), st.integers(0, 2)),
            max_size=60,
        )
    )
    def test_stored_claims_are_those_of_memory(
        self, tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
    ) -> None:
        """Three writers, any order of claims and releases: what is held is the same as in one process."""
        root = tmp_path_factory.mktemp("budget")
        model, writers = MemoryClaims(), [claims(root) for _ in range(3)]
        for name, amount, releases, writer in steps:
            if releases:
                model.release(name)
                writers[writer].release(name)
            else:
                assert writers[writer].claim(name, amount, 100) == model.claim(name, amount, 100)
            assert writers[writer].held == model.held
            assert sum(model.held.values()) <= 100


class TestBudgets:
    def budgets(self, *limits: float) -> tuple[Budgets, list[MemoryClaims]]:
        held = [MemoryClaims() for _ in limits]
        made = [Budget(f"budget {n}", usd, held[n]) for n, usd in enumerate(limits)]
        return Budgets(made), held

    def test_no_budget_asks_no_price(self) -> None:
        Budgets().claim(KEY, record(price=None), lambda: pytest.fail("asked"))

    def test_all_budgets_or_none(self) -> None:
        budgets, (large, small) = self.budgets(10, 1)
        budgets.claim(KEY, record(1), lambda: None)
        with pytest.raises(
            BudgetExceeded, match=r"costs \$0\.84, and \$0\.84 of the budget are claimed: budget 1"
        ):
            budgets.claim(KEY, record(2), lambda: None)
        assert large.held == small.held == {claim_name(KEY, record(1)): CLIP}

    def test_a_price_that_is_not_known_is_refused(self) -> None:
        budgets, (held,) = self.budgets(10)
        with pytest.raises(BudgetExceeded, match="not known.*No money was spent"):
            budgets.claim(KEY, record(price=None), lambda: None)
        budgets.claim(KEY, record(price=None), lambda: 0.5)
        assert list(held.held.values()) == [500_000]

    def test_a_budget_of_zero_buys_nothing(self) -> None:
        budgets, _ = self.budgets(0)
        with pytest.raises(AirflowBudgetExceeded), airflow_errors():
            budgets.claim(KEY, record(), lambda: None)

    def test_a_request_that_replaces_a_cancelled_one_is_a_claim_of_its_own(self) -> None:
        budgets, (held,) = self.budgets(10)
        budgets.claim(KEY, record(), lambda: None)
        budgets.claim(KEY, record(earlier=("cancelled",)), lambda: None)
        assert sum(held.held.values()) == 2 * CLIP

    @given(st.integers(0, 10**9))
    def test_an_amount_is_never_rounded_down(self, micro: int) -> None:
        assert microusd(micro / 1e6) == micro
