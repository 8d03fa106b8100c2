"""What fits a search, and how an address says it."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gallery.entry import STATES
from kling_airflow.gallery.search import PAGE, Page, Search
from tests.gallery.sidecars import entry

texts = st.text(max_size=30)


@given(
    text=texts,
    dag=texts,
    since=st.dates().map(str),
    until=st.dates().map(str),
    state=st.sampled_from(("", *STATES)),
    page=st.integers(1, 9999),
)
def test_an_address_says_the_search_again(
    text: str, dag: str, since: str, until: str, state: str, page: int
) -> None:
    made = Search(text=text.strip(), dag=dag, since=since, until=until, state=state, page=page)
    assert Search.read(dict(parse_qsl(made.query(page), keep_blank_values=True))) == made


@given(
    st.dictionaries(st.sampled_from(["text", "dag", "since", "until", "state", "kind", "page"]), st.text())
)
def test_any_address_is_a_search(query: dict[str, str]) -> None:
    made = Search.read(query)
    assert made.page >= 1
    made.found([entry()], {"rockets"})


def test_without_the_right_to_read_a_dag_nothing_of_it_is_found() -> None:
    entries = [entry(), entry(2, landed_by=None)]
    assert Search().found(entries, set()) == []
    assert Search().found(entries, {""}) == [entries[1]]
    assert Search(dag="rockets").found(entries, {"boats"}) == []
    assert Search().found(entries, {"rockets"}) == [entries[0]]


@given(st.integers(0, 200), st.integers(1, 50))
def test_a_page_is_a_part_of_what_was_found(count: int, number: int) -> None:
    found = [entry(each) for each in range(count)]
    page = Page.of(found, number)
    assert page.total == count
    assert 1 <= page.number <= page.pages
    assert len(page.entries) <= PAGE
    every = [each for each in range(1, page.pages + 1) for each in Page.of(found, each).entries]
    assert every == found
