"""A tracked request's fields have one writer: its own methods."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

from kling_airflow.gmi.request import Request
from kling_airflow.polling import tracked_request
from kling_airflow.polling.tracked_request import TrackedRequest

PACKAGE = Path(tracked_request.__file__).parent
# Waiters have an interval of their own.
FIELDS = {field.name for field in fields(TrackedRequest)} - {"interval"}


def tracked() -> TrackedRequest:
    return TrackedRequest("a", "m", 10.0, due_at=5.0)


def test_no_other_module_writes_its_fields() -> None:
    for path in PACKAGE.glob("*.py"):
        if path.name == "tracked_request.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                assert node.attr not in FIELDS, f"{path.name}:{node.lineno} writes `{node.attr}`"


def test_a_second_waiter_makes_looks_more_frequent_and_never_later() -> None:
    request = tracked()
    request.add_waiter(60.0, 0.0, deadline=1e9)
    assert (request.interval, request.due_at) == (10.0, 5.0)
    request.add_waiter(2.0, 0.0, deadline=1.0)
    assert (request.interval, request.due_at) == (2.0, 1.0)


def test_the_pause_between_two_list_scans_for_a_missing_request_doubles() -> None:
    request, pauses = tracked(), []
    for _ in range(8):
        request.record_not_listed(100)
        pauses.append(request.next_list_round - 100)
    assert pauses == [2, 4, 8, 16, 32, 64, 64, 64]
    row = Request.read({"request_id": "a", "status": "queued"})
    assert row is not None
    request.record_active_row(row)
    request.record_not_listed(100)
    assert request.next_list_round == 102


def test_a_record_with_another_model_sends_the_next_scan_to_that_models_list() -> None:
    request = tracked()
    request.record_not_listed(100)
    read = Request.read({"request_id": "a", "model": "other"})
    assert read is not None
    request.record_read(read)
    assert (request.model, request.next_list_round) == ("other", 0)


def test_an_end_that_the_list_shows_without_outcome_counts_until_it_is_read() -> None:
    request = tracked()
    request.record_ended_row(is_whole=False)
    request.record_ended_row(is_whole=True)
    assert request.ended_in_list
    read = Request.read({"request_id": "a", "status": "success"})
    assert read is not None
    request.record_read(read)
    assert not request.ended_in_list
