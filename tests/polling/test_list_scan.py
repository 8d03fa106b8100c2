"""The list may do what it wants: a reading ends, costs little, and shows only what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gmi.request import Page, Request
from kling_airflow.polling.list_scan import MAX_SKIP, PAGE_COST, PARALLEL_PAGES, ListScan, ListUsage

Answer = Callable[[int], Page]


def row(name: str, stamp: int = 1000) -> Request:
    made = Request.read(
        {"request_id": name, "status": "processing", "created_at": stamp, "updated_at": stamp}
    )
    assert made is not None
    return made


def queue(names: list[str], *, size: int = 100, served_at: float = 1000.0, **says: Any) -> Answer:
    """A list of these rows, newest first, in pages of a size."""

    def answer(offset: int) -> Page:
        if says.get("ignores_offset"):
            offset = 0
        rows = names[offset : offset + size]
        return Page(
            tuple(row(name) for name in rows),
            rows=len(rows),
            total=len(names) if says.get("total", True) else None,
            has_more=offset + len(rows) < len(names) if says.get("has_more", True) else None,
            served_at=served_at,
        )

    return answer


def read(scan: ListScan, answer: Answer) -> list[int]:
    """Read to the end; return the offsets that were asked for."""
    asked = []
    while offsets := scan.next():
        for offset in offsets:
            asked.append(offset)
            scan.take(offset, answer(offset))
        assert len(asked) < 10_000, "a reading that never ends"
    return asked


NAMES = [f"r{number}" for number in range(1000)]


def test_it_stops_when_all_were_seen() -> None:
    scan = ListScan(NAMES[:150])
    assert read(scan, queue(NAMES)) == [0, 100]
    assert not scan.missing
    assert (scan.deepest, scan.profit) == (2, 150 - 2 * PAGE_COST)


def test_pages_are_read_together_once_it_is_known_how_many() -> None:
    scan = ListScan(NAMES, expected=10)
    widths = []
    while offsets := scan.next():
        widths.append(len(offsets))
        for offset in offsets:
            scan.take(offset, queue(NAMES)(offset))
    assert widths == [1, PARALLEL_PAGES, PARALLEL_PAGES, 1]
    assert not scan.missing


@pytest.mark.parametrize("size", [1, 7, 50, 100, 400])
def test_a_queue_with_pages_of_its_own_is_read_without_holes(size: int) -> None:
    scan = ListScan(NAMES[: 12 * size], expected=5)
    read(scan, queue(NAMES, size=size))
    shown = scan.wanted - len(scan.missing)
    assert not scan.missing if size > PAGE_COST else shown >= size


def test_without_has_more_a_short_page_is_the_last() -> None:
    scan = ListScan(NAMES[:250])
    assert read(scan, queue(NAMES[:250], has_more=False, total=False)) == [0, 100, 200]
    assert not scan.missing


def test_the_same_page_again_ends_it() -> None:
    scan = ListScan(NAMES[:500])
    assert read(scan, queue(NAMES, ignores_offset=True)) == [0, 100]
    assert len(scan.missing) == 400


def test_an_empty_list_costs_one_call() -> None:
    scan = ListScan(NAMES)
    assert read(scan, queue([])) == [0]
    assert len(scan.missing) == 1000


def test_the_rest_far_down_is_left_for_reads_by_id() -> None:
    names = NAMES[:90] + [f"other{number}" for number in range(100_000)] + NAMES[90:96]
    scan = ListScan(NAMES[:96])
    assert len(read(scan, queue(names))) <= 3
    assert scan.missing == set(NAMES[90:96])


def test_nothing_wanted_asks_for_nothing() -> None:
    assert ListScan([]).next() == []


def test_a_refusal_ends_it() -> None:
    scan = ListScan(NAMES)
    scan.next()
    scan.give_up()
    assert scan.next() == []


def leaving_unread(answer: Answer, only: set[str]) -> Answer:
    """The same pages, read as the poll reads them: rows that nobody waits for are left unread."""

    def leave(offset: int) -> Page:
        page = answer(offset)
        return replace(
            page,
            requests=tuple(one for one in page.requests if one.request_id in only),
            unread={one.request_id: one.stamp for one in page.requests if one.request_id not in only},
        )

    return leave


@st.composite
def lists(draw: st.DrawFn) -> tuple[list[str], Answer, set[str]]:
    wanted = [f"w{number}" for number in range(draw(st.integers(1, 120)))]
    shown = draw(st.lists(st.sampled_from(wanted), unique=True))
    others = [f"o{number}" for number in range(draw(st.integers(0, 1500)))]
    names = draw(st.permutations(shown + others)) if len(others) < 300 else others + shown
    answer = queue(
        list(names),
        size=draw(st.sampled_from([1, 3, 20, 100, 100, 1000])),
        has_more=draw(st.booleans()),
        total=draw(st.booleans()),
        ignores_offset=draw(st.booleans()),
    )
    shuffled = draw(st.booleans())

    def moving(offset: int) -> Page:
        """New requests come in between two pages, and push the rest down."""
        return answer(max(0, offset - (offset % 7 if shuffled else 0)))

    return wanted, moving, set(shown)


@given(lists(), st.integers(1, 30))
def test_whatever_the_list_does(given: tuple[list[str], Answer, set[str]], expected: int) -> None:
    wanted, answer, shown = given
    scan = ListScan(wanted, expected=expected)
    asked = read(scan, answer)
    assert scan.missing >= set(wanted) - shown, "only what a page shows counts"
    assert scan.missing <= set(wanted), "and nothing else is ever asked for"
    # Together with the reads by id for the rest it never costs much more than twice those for all.
    assert PAGE_COST * len(asked) + len(scan.missing) <= 2 * len(wanted) + PAGE_COST * (PARALLEL_PAGES + 1)


@pytest.mark.parametrize(
    ("newest", "served_at", "seconds", "proven"),
    [
        (995, 1000.0, 10.0, True),
        (990, 1000.0, 10.0, True),
        (989, 1000.0, 10.0, False),
        (970, 1000.0, 10.0, False),
        (998, 1000.0, 0.1, True),
        (997, 1000.0, 0.1, False),
        (1000, None, 10.0, False),
        (None, 1000.0, 10.0, False),
    ],
)
def test_a_list_must_prove_how_new_it_is(
    newest: int | None, served_at: float | None, seconds: float, proven: bool
) -> None:
    scan = ListScan(["a", "b"])
    (offset,) = scan.next()
    rows = () if newest is None else (row("a", 500), row("b", newest))
    scan.take(offset, Page(rows, rows=len(rows), served_at=served_at))
    assert scan.shows_changes_of_last(seconds) is proven


def test_the_clock_of_the_first_page_counts() -> None:
    scan = ListScan(NAMES[:200])
    scan.take(0, queue(NAMES, served_at=1000.0)(0))
    scan.take(100, queue(NAMES, served_at=1060.0)(100))
    assert scan.served_at == 1000.0


def test_a_few_requests_are_asked_by_id() -> None:
    assert not ListUsage().is_worth_reading(PAGE_COST, 0.0)
    assert ListUsage().is_worth_reading(PAGE_COST + 1, 0.0)


def test_a_list_that_does_not_pay_is_left_alone_for_longer_each_time() -> None:
    usage, now, left = ListUsage(), 0.0, []
    for _ in range(8):
        assert usage.is_worth_reading(100, now)
        usage.record_waste(now, 10.0)
        assert not usage.is_worth_reading(100, now + 19.0)
        left.append(usage.skip_until - now)
        now = usage.skip_until
    assert left[:4] == [20.0, 40.0, 80.0, 160.0]
    assert left[-1] == MAX_SKIP
    usage.record_saving(7)
    assert usage.pages == 7
    usage.record_waste(now, 10.0)
    assert usage.skip_until - now == 20.0


def test_one_that_only_could_not_prove_itself_is_soon_tried_again() -> None:
    usage, now = ListUsage(), 0.0
    for _ in range(8):
        usage.record_waste(now, 10.0, longest=60.0)
        now = usage.skip_until
    usage.record_waste(now, 10.0, longest=60.0)
    assert usage.skip_until - now == 60.0


@given(lists(), st.integers(1, 30))
def test_what_is_left_unread_makes_no_difference(
    given: tuple[list[str], Answer, set[str]], expected: int
) -> None:
    wanted, answer, _ = given
    whole, sparing = ListScan(wanted, expected=expected), ListScan(wanted, expected=expected)
    assert read(whole, answer) == read(sparing, leaving_unread(answer, set(wanted)))
    assert (whole.missing, whole.newest, whole.deepest) == (sparing.missing, sparing.newest, sparing.deepest)


def test_the_same_page_of_others_again_ends_it() -> None:
    scan = ListScan(["w", *(f"v{number}" for number in range(50))])
    answer = queue(NAMES, ignores_offset=True, has_more=False, total=False)
    assert read(scan, leaving_unread(answer, {"w"})) == [0, 100]
