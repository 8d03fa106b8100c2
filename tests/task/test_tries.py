"""Which try of a task instance this is, by the numbers that Airflow 2.11 to 3.4 give."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.task.tries import Tries


def test_a_first_try() -> None:
    tries = Tries(number=1, max_tries=3, retries=3)
    assert (tries.is_first, tries.is_retry, tries.cleared, tries.generation) == (True, False, False, 0)


def test_an_automatic_retry() -> None:
    tries = Tries(number=2, max_tries=3, retries=3)
    assert (tries.is_first, tries.is_retry, tries.cleared, tries.generation) == (False, True, False, 0)


def test_the_first_try_after_a_clear() -> None:
    """Cleared after its second try: ``max_tries`` is 2 + 3, and the try that follows is the third."""
    tries = Tries(number=3, max_tries=5, retries=3)
    assert (tries.is_first, tries.is_retry, tries.cleared) == (False, False, True)
    assert tries.generation


def test_a_retry_after_a_clear() -> None:
    tries = Tries(number=4, max_tries=5, retries=3)
    assert (tries.is_retry, tries.cleared) == (True, True)
    assert tries.generation == Tries(number=3, max_tries=5, retries=3).generation


def test_a_clear_of_a_running_task_looks_like_a_retry() -> None:
    """``max_tries`` stays, so the try buys nothing that a retry would not buy."""
    assert Tries(number=2, max_tries=0, retries=0).is_retry
    assert Tries(number=2, max_tries=0, retries=0).generation == 0


def test_a_new_task_instance_of_a_loop_may_have_had_tries_in_a_run_that_was_cleared() -> None:
    context = {
        "ti": SimpleNamespace(try_number=1, max_tries=0),
        "dag_run": SimpleNamespace(clear_number=1),
        "loop": SimpleNamespace(index=2),
    }
    tries = Tries.of(context, retries=0)
    assert (tries.is_first, tries.is_retry, tries.generation) == (False, False, 0)
    assert Tries.of(context | {"loop": None}, retries=0).is_first
    assert Tries.of(context | {"dag_run": SimpleNamespace(clear_number=0)}, retries=0).is_first


@pytest.mark.parametrize("missing", [{}, {"try_number": None, "max_tries": None}])
def test_numbers_that_airflow_does_not_give_are_those_of_a_first_try(missing: dict[str, Any]) -> None:
    assert Tries.of({"ti": SimpleNamespace(**missing)}, retries=2).is_first


@given(
    retries=st.integers(0, 5),
    steps=st.lists(st.sampled_from(["retry", "clear"]), max_size=12),
)
def test_every_clear_begins_a_generation_and_no_retry_does(retries: int, steps: list[str]) -> None:
    """The numbers as ``clear_task_instances`` and a retry set them."""
    number, max_tries, generations = 1, retries, [0]
    for step in steps:
        if step == "clear":
            max_tries = number + retries
        elif number > max_tries:
            continue  # no retries are left
        number += 1
        tries = Tries(number, max_tries, retries)
        assert tries.is_retry is (step == "retry")
        if step == "clear":
            assert tries.generation not in generations
            generations.append(tries.generation)
        assert tries.generation == generations[-1]
