"""What the clips cost, in numbers and bars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gallery.entry import GalleryEntry
from kling_airflow.gallery.spend import OTHERS, spend
from kling_airflow.media.sidecar import Sidecar
from tests.gallery.sidecars import entry, film_sidecar


def clip(number: int, days_ago: int, dag_id: str, usd: float | None) -> GalleryEntry:
    landed = datetime(2026, 11, 27, 12, tzinfo=UTC) - timedelta(days=days_ago)
    task: dict[str, Any] = {"dag_id": dag_id, "run_id": "r", "task_id": "t", "map_index": -1}
    return entry(number, landed_at=landed.isoformat(), landed_by=task, cost_usd=usd)


def test_days_and_dags() -> None:
    found = spend([clip(1, 0, "a", 1.0), clip(2, 0, "b", 0.5), clip(3, 1, "a", 2.0), clip(4, 40, "a", 9.0)])
    assert (found.total_usd, found.clips, found.unknown) == (12.5, 4, 0)
    assert found.dags == [("a", 3.0), ("b", 0.5)]
    assert found.days == ("2026-10-29", "2026-11-27")
    assert found.top == "$2.00"
    assert [bar.title for bar in found.bars] == [
        "2026-11-26, a: $2.00",
        "2026-11-27, a: $1.00",
        "2026-11-27, b: $0.50",
    ]
    assert [bar.height for bar in found.bars] == [120.0, 60.0, 30.0]
    assert found.bars[2].y == 30.0  # on top of the other


def test_a_film_costs_nothing_of_its_own_and_a_clip_is_bought_once() -> None:
    film = GalleryEntry.of(Sidecar(film_sidecar()), "film.mp4")
    twice = [entry(1), entry(1, path="copy.mp4")]
    assert spend([film, *twice]).total_usd == pytest.approx(1.26)


def test_a_price_that_is_not_known_is_counted_apart() -> None:
    found = spend([clip(1, 0, "a", None), clip(2, 0, "a", 1.0)])
    assert (found.clips, found.unknown, found.total_usd) == (1, 1, 1.0)
    assert spend([clip(1, 0, "a", None)]).bars == []
    assert spend([]).bars == []


def test_many_dags_end_in_one_color() -> None:
    found = spend([clip(number, 0, f"dag{number}", 10.0 - number) for number in range(10)])
    assert [dag for dag, _ in found.dags] == [*(f"dag{number}" for number in range(6)), OTHERS]
    assert found.dags[-1][1] == pytest.approx(4 + 3 + 2 + 1)
    assert len(found.bars) == 7


@given(st.lists(st.tuples(st.integers(0, 45), st.sampled_from("abcdefghij"), st.floats(0, 100)), max_size=40))
def test_bars_stay_in_the_picture_and_sum_up(rows: list[tuple[int, str, float]]) -> None:
    found = spend([clip(number, *row) for number, row in enumerate(rows)])
    for bar in found.bars:
        assert -0.1 <= bar.x <= bar.x + bar.width <= found.width + 0.1
        assert -0.5 <= bar.y <= bar.y + bar.height <= found.height + 0.5
    shown = sum(bar.height for bar in found.bars) / found.height * found.top_usd
    assert shown == pytest.approx(sum(usd for _, usd in found.dags), abs=0.05 * max(1.0, found.top_usd))
