"""The board tells each task's state, how long it has been going, and what it waits for."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from kling_airflow.demo.progress import TASKS, Board, clock, task_rows


def instance(
    task_id: str, state: str | None, start: float | None = None, end: float | None = None
) -> dict[str, Any]:
    def moment(seconds: float | None) -> str | None:
        return (
            None
            if seconds is None
            else (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
        )

    return {"task_id": task_id, "state": state, "start_date": moment(start), "end_date": moment(end)}


def instances(**states: str | None) -> list[dict[str, Any]]:
    return [instance(name, states.get(name)) for name in reversed(TASKS)]


def doing(**states: str | None) -> dict[str, str]:
    return {row.task_id: row.doing for row in task_rows(instances(**states))}


def test_rows_come_in_the_order_of_the_dag_and_unknown_tasks_last() -> None:
    rows = task_rows([instance("extra", None), *instances()])
    assert [row.task_id for row in rows] == [*TASKS, "extra"]


def test_a_task_waits_for_what_is_unfinished_before_it() -> None:
    assert doing()["submit"] == "waits for start_frame, end_frame"
    assert doing(start_frame="success", end_frame="running")["submit"] == "waits for end_frame"
    assert doing(start_frame="success", end_frame="skipped")["submit"] == "waits for the scheduler"
    assert doing(wait="queued")["wait"] == "waits for a worker process"
    assert doing(submit="failed", wait="upstream_failed")["wait"] == "an earlier task failed"


def test_a_deferred_task_tells_of_its_request() -> None:
    rows = task_rows(instances(wait="deferred"), request="12345678-aaaa", status="processing")
    assert rows[3].doing == "request 12345678 is processing; no worker slot is used"
    assert doing(wait="deferred")["wait"] == "waits for the queue; no worker slot is used"


def test_elapsed_runs_on_until_the_task_ends() -> None:
    rows = task_rows([instance("submit", "success", -10, -4), instance("wait", "deferred", -65, -60)])
    assert rows[0].seconds == pytest.approx(6, abs=1)
    assert rows[1].seconds == pytest.approx(65, abs=5)
    assert clock(rows[0].seconds) == "0:06"
    assert clock(125.9) == "2:05"
    assert clock(None) == ""


def test_without_a_terminal_each_change_is_one_line() -> None:
    text = io.StringIO()
    with Board(Console(file=text, width=40)) as board:
        board.step("Airflow makes the clip")
        board.service("S3", 1.23, "http://127.0.0.1:1")
        for _ in range(3):
            board.tasks(task_rows(instances(start_frame="running")))
        board.tasks(task_rows(instances(start_frame="success")))
    lines = [line.partition("] ")[2] for line in text.getvalue().splitlines()]
    assert lines == [
        "Airflow makes the clip",
        "S3 is up after 1.2 s: http://127.0.0.1:1",
        "start_frame  running           the photograph is read, cropped, scaled, written to the bucket",
        "start_frame  success",
    ]


def test_on_a_terminal_the_board_shows_everything_at_once() -> None:
    text = io.StringIO()
    console = Console(file=text, width=100, force_terminal=True, color_system=None)
    with Board(console) as board:
        board.service("S3", 1.23, "http://127.0.0.1:1")
        board.step("Airflow makes the clip")
        board.tasks(
            task_rows(
                instances(start_frame="success", wait="deferred"), request="12345678-a", status="queued"
            )
        )
    shown = text.getvalue()
    assert "✔ success" in shown
    assert "request 12345678 is queued; no worker slot is used" in shown
    assert "http://127.0.0.1:1" in shown
