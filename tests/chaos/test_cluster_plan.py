"""A cluster's clips are shared out among mapped tasks and storyboards, and each asks for another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.cluster import BOARD_SHOTS, plan


@given(generations=st.integers(2, 3000))
def test_each_clip_is_planned_once(generations: int) -> None:
    runs = plan(generations)
    prompts = [prompt for run in runs for prompt in run.prompts]
    assert len(prompts) == len(set(prompts)) == generations
    assert [run.dag_id for run in runs] == ["clips"] + ["board"] * (len(runs) - 1)
    assert len({run.run_id for run in runs}) == len(runs) > 1
    assert all(0 < len(run.prompts) <= BOARD_SHOTS for run in runs[1:])
