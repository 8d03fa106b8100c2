"""What a look through the list proves, against a list that behaves and lists that don't."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import Rejected, ResponseTooLarge, Unreachable
from kling_airflow.gmi.request import Page, Request
from kling_airflow.submission.echo import asks_the_same, carries
from kling_airflow.submission.reconcile import CLOCKS_DIFFER_BY, LATE_ARRIVAL_MARGIN, MARGIN, find, look
from kling_airflow.submission.record import State, SubmissionRecord

SENT = 1_000_000.0
MARKER = "https://uploads.example/6f1c.jpeg"
RECORD = SubmissionRecord("f" * 64, 1, "m", State.NOT_SENT).sending(
    now=SENT, within=180, marker=MARKER, frames={"image": MARKER}, queue_now=SENT
)
LATER = RECORD.latest_arrival + LATE_ARRIVAL_MARGIN + MARGIN + 1


def row(request_id: str, created_at: float, **fields: Any) -> Request:
    data = {"request_id": request_id, "model": "m", "status": "queued", "created_at": created_at}
    payload = {"prompt": "a stranger's", "image": "https://uploads.example/0000.png"}
    made = Request.read(data | {"payload": payload} | fields)
    assert made is not None
    return made


@dataclass
class Listed:
    """A list in memory: newest first, or as broken as a test wants it."""

    rows: list[Request]
    skew: float = 0.0
    sort: Callable[[Request], Any] = lambda request: -(request.created_at or 0)
    largest: int = 1000
    ignores_offset: bool = False
    silent: bool = False
    limits: list[int] = field(default_factory=list)

    def list_page(self, model: str, *, limit: int, offset: int) -> Page:
        self.limits.append(limit)
        if limit > self.largest:
            raise ResponseTooLarge("too large")
        newest = sorted(self.rows, key=self.sort)
        offset = 0 if self.ignores_offset else offset
        rows = newest[offset : offset + limit]
        more = None if self.silent else offset + limit < len(newest)
        return Page(tuple(rows), rows=len(rows), has_more=more, served_at=SENT + 500 + self.skew)


def sight(listed: Listed, record: SubmissionRecord = RECORD, **asked: Any) -> Any:
    fields = asked or {"prompt": "p"}
    frames = {"image": record.marker} if record.marker else {}
    return look(listed, record, lambda echo: asks_the_same(echo, fields, frames))


OURS = row("ours", SENT + 5, payload={"prompt": "p", "image": MARKER})
OLD = row("old", SENT - 7200)
YOUNG = row("young", LATER)


def test_what_carries_the_marker_is_ours() -> None:
    sighting = sight(Listed([OLD, OURS, YOUNG]))
    assert [request.request_id for request in sighting.ours] == ["ours"]
    assert not sighting.absent


def test_absence_is_proven_by_all_three() -> None:
    assert sight(Listed([OLD, YOUNG])).absent


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        (Listed([]), "younger"),
        (Listed([OLD]), "younger"),
        (Listed([OLD, row("not younger", LATER - 1)]), "younger"),
        (Listed([OLD, row("unlike", LATER, model="other")]), "younger"),
        (Listed([OLD, row("empty", LATER, payload={})]), "younger"),
        (Listed([OLD, YOUNG, row("empty", SENT + 9, payload={})]), "payload"),
        (Listed([row(f"y{n}", LATER + n) for n in range(200)], ignores_offset=True), "read back"),
    ],
)
def test_anything_less_proves_nothing(listed: Listed, why: str) -> None:
    sighting = sight(listed)
    assert not sighting.absent
    assert why in sighting.summary


def test_the_queues_clock_decides_what_is_younger() -> None:
    """Our clock is an hour ahead: a row that looks old to us is younger than our POST."""
    listed = Listed([row("old", SENT - 9000), row("y", LATER - 3600)], skew=-3600)
    assert sight(listed, replace(RECORD, queue_sent_at=SENT - 3600, queue_doubted_since=SENT - 3600)).absent
    assert not sight(listed).absent


def test_without_the_queues_time_clocks_may_differ_by_a_day() -> None:
    """Neither the reader's clock nor the list's says how wrong the writer's clock was."""
    record = replace(RECORD, queue_sent_at=None, queue_doubted_since=None)
    assert not sight(Listed([OLD, YOUNG]), record).absent
    rows = [row("old", SENT - 90_000), row("y", LATER + 86_400)]
    assert sight(Listed(rows, skew=86_400), record).absent
    ours = row("ours", SENT + 80_000, payload={"prompt": "p"})
    assert sight(Listed([*rows, ours], skew=86_400), record).doubtful == (ours,)


def test_a_page_from_a_cache_proves_nothing() -> None:
    """Its rows and its Date are those of a time before the POST left."""
    cached = Listed([row("y", SENT - 80), OLD], skew=-800)
    assert not sight(cached).absent
    second = [row(f"y{n}", LATER + n) for n in range(100)] + [OLD]

    class CachedSecondPage(Listed):
        def list_page(self, model: str, *, limit: int, offset: int) -> Page:
            page = super().list_page(model, limit=limit, offset=offset)
            return replace(page, served_at=SENT - 5) if offset else page

    sighting = sight(CachedSecondPage(second))
    assert not sighting.absent
    assert "older than the submission" in sighting.summary
    assert sight(Listed(second)).absent


def test_a_date_of_another_clock_proves_nothing() -> None:
    """Its rows are younger than the page: the queue stamps rows and answers by two clocks."""
    record = replace(RECORD, queue_sent_at=SENT - 600, queue_doubted_since=SENT - 600)
    listed = Listed([row("during the POST", SENT + 10), OLD], skew=-600 - 500 + 20)
    assert not sight(listed, record).absent
    ahead = replace(RECORD, queue_sent_at=SENT + 600, queue_doubted_since=SENT + 600)
    rows = [row("y", LATER + 900), *(row(f"o{n}", SENT - 1 - n) for n in range(40)), OURS]
    assert sight(Listed(rows, skew=600), ahead).ours == (OURS,)


def by_change(request: Request) -> float:
    return -request.stamp


def oldest_first(request: Request) -> float:
    return request.created_at or 0


def by_id(request: Request) -> str:
    return request.request_id


def pinned(request: Request) -> tuple[bool, float]:
    """A row that the vendor keeps on top."""
    return request.request_id != "pinned", -(request.created_at or 0)


@pytest.mark.parametrize("sort", [by_change, oldest_first, by_id, pinned])
@pytest.mark.parametrize("echo", [{"prompt": "p", "image": MARKER}, {"prompt": "p"}])
def test_a_list_that_is_sorted_otherwise_is_read_on(sort: Any, echo: dict[str, str]) -> None:
    """`ours` stands behind whole pages of older rows, or behind one."""
    olds = [row(f"a{n:03}", SENT - 7200 - n, updated_at=SENT + 300 + n) for n in range(150)]
    rows = [YOUNG, row("pinned", SENT - 90_000), row("zours", SENT + 5, payload=echo), *olds, OLD]
    sighting = sight(Listed(rows, sort=sort))
    assert not sighting.absent
    assert [request.request_id for request in (*sighting.ours, *sighting.doubtful)] == ["zours"]


def test_one_old_row_is_not_the_end() -> None:
    rows = [row(f"y{n}", LATER + n) for n in range(99)]
    listed = Listed(
        [*rows, row("touched", LATER - 50_000, updated_at=LATER + 3), OURS, OLD], sort=lambda _: 0
    )
    assert [request.request_id for request in sight(listed).ours] == ["ours"]


def test_a_page_of_old_rows_is_the_end() -> None:
    rows = [row(f"y{n}", LATER + n) for n in range(50)] + [row(f"o{n}", SENT - 7200 - n) for n in range(6000)]
    listed = Listed(rows)
    assert sight(listed).absent
    assert len(listed.limits) == 2


def test_a_row_without_an_id_may_be_ours() -> None:
    class Odd(Listed):
        def list_page(self, model: str, *, limit: int, offset: int) -> Page:
            page = super().list_page(model, limit=limit, offset=offset)
            return replace(page, rows=page.rows + 1)

    sighting = sight(Odd([OLD, YOUNG]))
    assert not sighting.absent
    assert "no readable id" in sighting.summary


PARTIAL_ECHOES: list[dict[str, Any]] = [
    {},
    {"prompt": "a rocket rises over the sea"},
    {"image": MARKER[:20]},
    {"prompt": "a rocket rises", "image": MARKER[:-3]},
    {"prompt": "a rocket rises over the sea", "image": f"{MARKER[:-7]}..."},
    {"prompt": "a rocket rises", "image": MARKER[:20]},
    {"prompt": "a rocket ri...", "image": "https://uplo..."},
    {"prompt": "a rocket ... the sea", "image": None},
    {"prompt": "a rocket rises over the sea", "image": "<redacted>"},
    {"prompt": "***", "image": "***"},
    {"prompt": "a rocket rises over the sea", "image": "https://cdn.example/inputs/8f2c.jpeg"},
    {"prompt": "A  rocket rises over the sea ", "image": "", "duration": 5},
    {"duration": "5"},
    {"prompt": "a rocket rises over the sea", "mode": "std"},
]


@pytest.mark.parametrize("echo", PARTIAL_ECHOES)
@pytest.mark.parametrize("marker", [MARKER, None])
def test_a_partial_echo_is_no_proof_of_absence(echo: dict[str, Any], marker: str | None) -> None:
    asked = {"prompt": "a rocket rises over the sea", "duration": "5"}
    record = replace(RECORD, marker=marker, frames={"image": marker} if marker else {})
    young = row("young", LATER, payload={"prompt": "something else", "image": "https://else.example/a.png"})
    sighting = sight(Listed([OLD, row("ours", SENT + 5, payload=echo), young]), record, **asked)
    assert not sighting.absent
    assert [request.request_id for request in (*sighting.ours, *sighting.doubtful)] == ["ours"]


def test_a_partial_echo_is_not_adopted() -> None:
    sighting = sight(Listed([OLD, row("ours", SENT + 5, payload={"prompt": "p"}), YOUNG]))
    assert sighting.ours == ()
    assert "ours" in sighting.summary, "a person finds the request in the console by its id"


@pytest.mark.parametrize(
    "echo",
    [
        {"prompt": "something else", "image": MARKER.replace("6f1c", "a0a0")},
        {"prompt": "p", "image": MARKER.replace("6f1c", "a0a0")},
        {"prompt": "something else"},
    ],
)
def test_what_surely_asks_something_else_is_foreign(echo: dict[str, Any]) -> None:
    """Another picture uploaded by us has an address like ours, and the queue echoes such addresses whole."""
    assert sight(Listed([OLD, row("twin", SENT + 5, payload=echo), YOUNG])).absent


def test_a_partial_echo_that_comes_late_is_no_witness() -> None:
    """It may be ours, created late: its being there does not show that ours is not."""
    late = row("late", LATER, payload={"prompt": "p"})
    sighting = sight(Listed([OLD, late]))
    assert not sighting.absent
    assert sighting.doubtful == (late,)


def test_pages_shrink_when_echoes_make_them_huge() -> None:
    listed = Listed([row(f"r{n}", LATER + n) for n in range(40)] + [OURS, OLD], largest=10)
    assert [request.request_id for request in sight(listed).ours] == ["ours"]
    assert max(listed.limits[2:]) <= 10


def test_a_page_that_is_never_small_enough_is_an_error() -> None:
    with pytest.raises(Unreachable):
        sight(Listed([OURS], largest=0))


def test_a_list_that_says_nothing_of_more_is_read_on() -> None:
    rows = [row(f"r{n}", LATER + n) for n in range(250)]
    assert sight(Listed([*rows, OURS, OLD], silent=True)).ours


@pytest.mark.parametrize("has_more", [None, False, True])
@pytest.mark.parametrize("total", ["unsaid", "of the page", "of all", "zero"])
def test_a_page_that_is_smaller_than_asked_is_not_the_end(has_more: bool | None, total: str) -> None:
    class Capped(Listed):
        def list_page(self, model: str, *, limit: int, offset: int) -> Page:
            page = super().list_page(model, limit=min(limit, 20), offset=offset)
            counts = {"of the page": page.rows, "of all": len(self.rows), "zero": 0}
            more = page.has_more if has_more else has_more
            return replace(page, has_more=more, total=counts.get(total))

    rows = [row(f"r{n}", LATER + n) for n in range(30)]
    assert sight(Capped([*rows, OURS, OLD])).ours == (OURS,)
    assert sight(Capped([*rows, OLD])).absent
    assert find(Capped([*rows, OURS, OLD]), "m", "ours") == OURS


@pytest.mark.parametrize("says_more", [True, False])
def test_a_page_behind_the_last_row_may_be_refused(says_more: bool) -> None:
    class Refusing(Listed):
        def list_page(self, model: str, *, limit: int, offset: int) -> Page:
            if offset:
                raise Rejected("offset is out of range")
            return replace(super().list_page(model, limit=limit, offset=0), has_more=says_more)

    if says_more:
        with pytest.raises(Rejected):
            sight(Refusing([OLD, YOUNG]))
    else:
        assert sight(Refusing([OLD, YOUNG])).absent


def test_a_row_that_moves_to_the_top_between_two_pages_is_seen() -> None:
    young = [row(f"r{n}", LATER + n, updated_at=LATER + n + 1) for n in range(200)]

    class Moving(Listed):
        def list_page(self, model: str, *, limit: int, offset: int) -> Page:
            page = super().list_page(model, limit=limit, offset=offset)
            self.rows = [replace(OURS, updated_at=int(LATER) + 999), *young]
            return page

    by_change = Moving([OURS, *young], sort=lambda request: -request.stamp)
    assert not sight(by_change).absent


@pytest.mark.parametrize("model", ["M", "m-20261101", "vendor/m", " m "])
@pytest.mark.parametrize("payload", [{"prompt": "p"}, {"prompt": "p", "image": MARKER}])
def test_a_model_that_is_spelled_otherwise_is_no_other_model(model: str, payload: dict[str, Any]) -> None:
    spelled = row("ours", SENT + 5, payload=payload, model=model)
    sighting = sight(Listed([OLD, spelled, YOUNG]))
    assert (*sighting.ours, *sighting.doubtful) == (spelled,)


def test_the_budget_of_pages_is_kept() -> None:
    listed = Listed([row(f"r{n}", LATER + n) for n in range(7000)])
    assert not sight(listed).read_back
    assert len(listed.limits) == 60


def test_earlier_requests_of_the_order_are_known_and_left_out() -> None:
    record = replace(RECORD, earlier=("ours",))
    assert sight(Listed([OLD, OURS, YOUNG]), record).absent


def test_several_are_all_reported() -> None:
    twin = row("twin", SENT + 6, payload={"image": MARKER})
    assert len(sight(Listed([OLD, OURS, twin, YOUNG])).ours) == 2


def test_a_nonce_in_a_base64_frame_is_a_marker() -> None:
    for shift in range(3):
        frame = base64.b64encode(b"x" * (200 + shift) + b"kling-airflow-abc123 image" + b"y" * 200).decode()
        assert carries({"image": frame}, "kling-airflow-abc123")
        assert not carries({"image": frame}, "kling-airflow-other")


@given(
    differ=st.floats(-CLOCKS_DIFFER_BY + 1, CLOCKS_DIFFER_BY - 1),
    marked=st.booleans(),
    echo=st.sampled_from([{"prompt": "p"}, {}, {"prompt": "p", "image": "***"}, {"prompt": "p", "seed": 1}]),
)
def test_a_request_without_a_visible_marker_is_not_absent_though_the_queue_has_two_clocks(
    differ: float, marked: bool, echo: dict[str, str]
) -> None:
    record = RECORD if marked else replace(RECORD, marker=None, frames={})
    rows = [row("ours", SENT + 1 + differ, payload=echo), row("younger", LATER + CLOCKS_DIFFER_BY + differ)]
    listed = Listed(rows, skew=3 * CLOCKS_DIFFER_BY)
    assert not sight(listed, record).absent
    assert sight(Listed(rows[1:], skew=3 * CLOCKS_DIFFER_BY), record).absent


def test_without_a_marker_only_what_asks_the_same_at_that_time_is_a_candidate() -> None:
    record = replace(RECORD, marker=None, frames={})
    same = {"prompt": "p"}
    assert asks_the_same({"prompt": "p", "seed": 1}, same) is None
    rows = [
        row("before", SENT - MARGIN - CLOCKS_DIFFER_BY - 5, payload=same),
        row("just before", SENT - MARGIN - 5, payload=same),
        row("same", SENT + 1, payload=same),
        row("other", SENT + 1, payload={"prompt": "q"}),
        row("more", SENT + 1, payload={"prompt": "p", "seed": 1}),
        row("soon after", LATER, payload=same),
        row("after", LATER + CLOCKS_DIFFER_BY, payload=same),
    ]
    sighting = sight(Listed(rows), record)
    assert [request.request_id for request in sighting.ours] == ["same"]
    assert {request.request_id for request in sighting.doubtful} == {"just before", "more", "soon after"}, (
        "`more` may be ours with a default that the service filled in; times and `Date` may be of two clocks"
    )


def test_an_echo_with_a_default_filled_in_is_no_proof_of_absence() -> None:
    record = replace(RECORD, marker=None, frames={})
    filled = row("filled", SENT + 1, payload={"prompt": "p", "mode": "std"})
    sighting = sight(Listed([OLD, filled, row("young", LATER, payload={"prompt": "q"})]), record)
    assert not sighting.absent
    assert "can't be told from ours" in sighting.summary


def test_asking_the_same_is_compared_as_text_and_without_signatures() -> None:
    echo = {"duration": 5, "image": "https://store/a.png?sig=1", "prompt": "p", "negative_prompt": None}
    assert asks_the_same(echo, {"duration": "5", "prompt": "p"}, {"image": "https://store/a.png?sig=2"})
    assert not asks_the_same(echo, {"duration": "5", "prompt": "p"}, {"image": "https://store/b.png"})
    assert not asks_the_same(echo, {"duration": "6", "prompt": "p"}, {"image": "https://store/a.png"})
    assert asks_the_same(echo, {"duration": "5", "prompt": "p"}) is None


def test_a_request_the_list_shows_is_found_by_its_id() -> None:
    listed = Listed([row(f"r{n}", LATER + n) for n in range(150)] + [OURS])
    assert find(listed, "m", "ours") == OURS
    assert find(listed, "m", "nowhere") is None


@given(
    rows=st.lists(
        st.tuples(st.floats(-7200, 7200), st.booleans(), st.booleans()),
        max_size=40,
        unique_by=lambda given: given[0],
    ),
    lag=st.floats(0, 4000),
    skew=st.floats(-7200, 7200),
    sent_index=st.integers(0, 39),
)
def test_a_request_that_exists_is_never_proven_absent(
    rows: list[tuple[float, bool, bool]], lag: float, skew: float, sent_index: int
) -> None:
    """Whatever the lag, the clocks and the other rows: ours is there, so absence would be false."""
    looked_at = SENT + 7200
    ours = row("ours", int(SENT + skew + (sent_index % 180)), payload={"image": MARKER})
    others = [
        row(f"r{n}", int(SENT + skew + offset), **({"payload": {}} if empty else {}))
        for n, (offset, empty, _) in enumerate(rows)
    ]
    visible = [request for request in [ours, *others] if (request.created_at or 0) <= looked_at + skew - lag]
    listed = Listed(visible, skew=looked_at + skew - SENT - 500)
    record = replace(RECORD, queue_sent_at=SENT + skew, queue_doubted_since=SENT + skew)
    sighting = look(listed, record, lambda echo: False)
    assert not sighting.absent
