"""A task's structured log as text, and the reason in it."""

from __future__ import annotations

from typing import Any

from kling_airflow.demo.task_log import as_lines, cause

ERROR: dict[str, Any] = {
    "level": "error",
    "event": "Task failed with exception",
    "error_detail": [
        {
            "exc_type": "Rejected",
            "exc_value": "The queue refused the payload.",
            "frames": [{"filename": "/x/generate.py", "lineno": 12, "name": "execute"}],
        },
        {"exc_type": "HTTPError", "exc_value": "400", "frames": []},
    ],
}


def test_lines_carry_level_message_and_traceback() -> None:
    entries = [
        {"event": "::group::Log message source details"},
        {"level": "info", "event": "Request accepted"},
        "plain\ntext",
        ERROR,
    ]
    assert list(as_lines(entries)) == [
        "INFO    Request accepted",
        "plain",
        "text",
        "ERROR   Task failed with exception",
        "          /x/generate.py:12 in execute",
        "        Rejected: The queue refused the payload.",
        "        HTTPError: 400",
    ]


def test_the_cause_is_the_last_error_that_left_the_task() -> None:
    earlier = {
        "level": "error",
        "event": "x",
        "error_detail": [{"exc_type": "A", "exc_value": "b", "frames": None}],
    }
    assert (
        cause([earlier, ERROR, {"level": "info", "event": "done"}])
        == "Rejected: The queue refused the payload."
    )


def test_without_a_traceback_there_is_no_cause() -> None:
    assert cause([{"level": "error", "event": "odd"}, "text"]) is None
