"""Whatever the list does: a scan ends, its cost is bounded, and it shows only rows of the list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gmi.request import Page, Request
from kling_airflow.polling.list_scan import MAX_SKIP, PAGE_COST, PARALLEL_PAGES, ListScan, ListUsage

Pages = Callable[[int], Page]


def row(name: str, stamp: int = 1000) -> Request:
    made = Request.read(
        {"request_id": name, "status": "processing", "created_at": stamp, "updated_at": stamp}
    )
    assert made is not None
    return made


def queue(names: list[str], *, size: int = 100, served_at: float = 1000.0, **says: Any) -> Pages:
    """Return a list of these rows, newest first, in pages of this size."""

    def page_at(offset: int) -> Page:
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

    return page_at


def read(scan: ListScan, page_at: Pages) -> list[int]:
    """Scan to the end; return the offsets that were asked for."""
    asked = []
    while offsets := scan.next_offsets():
        for offset in offsets:
            asked.append(offset)
            scan.add_page(offset, page_at(offset))
        assert len(asked) < 10_000, "a scan that never ends"
    return asked


NAMES = [f"r{number}" for number in range(1000)]


def test_a_scan_stops_when_all_requests_were_shown() -> None:
    scan = ListScan(NAMES[:150])
    assert read(scan, queue(NAMES)) == [0, 100]
    assert not scan.missing
    assert (scan.last_useful_page, scan.saved_reads) == (2, 150 - 2 * PAGE_COST)


def test_pages_are_read_together_if_the_last_scan_tells_how_many() -> None:
    scan = ListScan(NAMES, expected_pages=10)
    widths = []
    while offsets := scan.next_offsets():
        widths.append(len(offsets))
        for offset in offsets:
            scan.add_page(offset, queue(NAMES)(offset))
    assert widths == [1, PARALLEL_PAGES, PARALLEL_PAGES, 1]
    assert not scan.missing


@pytest.mark.parametrize("size", [1, 7, 50, 100, 400])
def test_pages_of_another_size_are_read_without_gaps(size: int) -> None:
    scan = ListScan(NAMES[: 12 * size], expected_pages=5)
    read(scan, queue(NAMES, size=size))
    shown = scan.wanted - len(scan.missing)
    assert not scan.missing if size > PAGE_COST else shown >= size


def test_without_has_more_a_short_page_is_the_last() -> None:
    scan = ListScan(NAMES[:250])
    assert read(scan, queue(NAMES[:250], has_more=False, total=False)) == [0, 100, 200]
    assert not scan.missing


def test_a_repeated_page_ends_the_scan() -> None:
    scan = ListScan(NAMES[:500])
    assert read(scan, queue(NAMES, ignores_offset=True)) == [0, 100]
    assert len(scan.missing) == 400


def test_an_empty_list_costs_one_call() -> None:
    scan = ListScan(NAMES)
    assert read(scan, queue([])) == [0]
    assert len(scan.missing) == 1000


def test_requests_far_down_the_list_are_left_for_reads_by_id() -> None:
    names = NAMES[:90] + [f"other{number}" for number in range(100_000)] + NAMES[90:96]
    scan = ListScan(NAMES[:96])
    assert len(read(scan, queue(names))) <= 3
    assert scan.missing == set(NAMES[90:96])


def test_a_scan_for_no_request_asks_for_no_page() -> None:
    assert ListScan([]).next_offsets() == []


def test_a_stopped_scan_asks_for_no_page() -> None:
    scan = ListScan(NAMES)
    scan.next_offsets()
    scan.stop()
    assert scan.next_offsets() == []


def leaving_unread(page_at: Pages, only: set[str]) -> Pages:
    """Return the same pages as the poll reads them: rows of requests without a waiter are left unread."""

    def spare_page(offset: int) -> Page:
        page = page_at(offset)
        return replace(
            page,
            requests=tuple(one for one in page.requests if one.request_id in only),
            unread={one.request_id: one.stamp for one in page.requests if one.request_id not in only},
        )

    return spare_page


@st.composite
def lists(draw: st.DrawFn) -> tuple[list[str], Pages, set[str]]:
    wanted = [f"w{number}" for number in range(draw(st.integers(1, 120)))]
    shown = draw(st.lists(st.sampled_from(wanted), unique=True))
    others = [f"o{number}" for number in range(draw(st.integers(0, 1500)))]
    names = draw(st.permutations(shown + others)) if len(others) < 300 else others + shown
    page_at = queue(
        list(names),
        size=draw(st.sampled_from([1, 3, 20, 100, 100, 1000])),
        has_more=draw(st.booleans()),
        total=draw(st.booleans()),
        ignores_offset=draw(st.booleans()),
    )
    shifts = draw(st.booleans())

    def moving_page(offset: int) -> Page:
        """New requests between two pages move the older rows down."""
        return page_at(max(0, offset - (offset % 7 if shifts else 0)))

    return wanted, moving_page, set(shown)


@given(lists(), st.integers(1, 30))
def test_the_cost_of_any_list_is_bounded(given: tuple[list[str], Pages, set[str]], expected: int) -> None:
    wanted, page_at, shown = given
    scan = ListScan(wanted, expected_pages=expected)
    asked = read(scan, page_at)
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
def test_the_newest_row_must_be_recent_by_the_clock_of_the_response(
    newest: int | None, served_at: float | None, seconds: float, proven: bool
) -> None:
    scan = ListScan(["a", "b"])
    (offset,) = scan.next_offsets()
    rows = () if newest is None else (row("a", 500), row("b", newest))
    scan.add_page(offset, Page(rows, rows=len(rows), served_at=served_at))
    assert scan.shows_changes_of_last(seconds) is proven


def test_the_date_of_the_first_page_counts() -> None:
    scan = ListScan(NAMES[:200])
    scan.add_page(0, queue(NAMES, served_at=1000.0)(0))
    scan.add_page(100, queue(NAMES, served_at=1060.0)(100))
    assert scan.served_at == 1000.0


def test_for_a_few_requests_the_list_is_not_worth_reading() -> None:
    assert not ListUsage().is_worth_reading(PAGE_COST, 0.0)
    assert ListUsage().is_worth_reading(PAGE_COST + 1, 0.0)


def test_a_list_that_saves_nothing_is_skipped_for_longer_each_time() -> None:
    usage, now, skipped = ListUsage(), 0.0, []
    for _ in range(8):
        assert usage.is_worth_reading(100, now)
        usage.record_waste(now, 10.0)
        assert not usage.is_worth_reading(100, now + 19.0)
        skipped.append(usage.skip_until - now)
        now = usage.skip_until
    assert skipped[:4] == [20.0, 40.0, 80.0, 160.0]
    assert skipped[-1] == MAX_SKIP
    usage.record_saving(7)
    assert usage.pages == 7
    usage.record_waste(now, 10.0)
    assert usage.skip_until - now == 20.0


def test_a_list_that_proved_nothing_is_tried_again_soon() -> None:
    usage, now = ListUsage(), 0.0
    for _ in range(8):
        usage.record_waste(now, 10.0, max_skip=60.0)
        now = usage.skip_until
    usage.record_waste(now, 10.0, max_skip=60.0)
    assert usage.skip_until - now == 60.0


@given(lists(), st.integers(1, 30))
def test_a_scan_is_the_same_with_unread_rows(given: tuple[list[str], Pages, set[str]], expected: int) -> None:
    wanted, page_at, _ = given
    whole, sparing = ListScan(wanted, expected_pages=expected), ListScan(wanted, expected_pages=expected)
    assert read(whole, page_at) == read(sparing, leaving_unread(page_at, set(wanted)))
    assert (whole.missing, whole.newest, whole.last_useful_page) == (
        sparing.missing,
        sparing.newest,
        sparing.last_useful_page,
    )


def test_a_repeated_page_without_wanted_rows_ends_the_scan() -> None:
    scan = ListScan(["w", *(f"v{number}" for number in range(50))])
    page_at = queue(NAMES, ignores_offset=True, has_more=False, total=False)
    assert read(scan, leaving_unread(page_at, {"w"})) == [0, 100]
