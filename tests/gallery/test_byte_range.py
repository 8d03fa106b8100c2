"""Ranges, held against a list of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gallery.byte_range import Unsatisfiable, byte_range


@given(size=st.integers(0, 50), first=st.integers(0, 60), last=st.integers(0, 60))
def test_a_range_is_the_slice_that_it_names(size: int, first: int, last: int) -> None:
    data = list(range(size))
    try:
        found = byte_range(f"bytes={first}-{last}", size)
    except Unsatisfiable:
        assert first >= size
        return
    if found is None:
        assert last < first
        return
    assert data[found[0] : found[1]] == data[first : last + 1] != []


@given(size=st.integers(1, 50), length=st.integers(1, 60))
def test_a_suffix_is_the_end(size: int, length: int) -> None:
    found = byte_range(f"bytes=-{length}", size)
    assert found is not None
    assert list(range(size))[found[0] : found[1]] == list(range(size))[-length:]


@given(st.text(max_size=40))
def test_any_header_is_answered(header: str) -> None:
    try:
        found = byte_range(header, 100)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found[0] < found[1] <= 100


@pytest.mark.parametrize("header", ["bytes=-0", "bytes=100-", "bytes=100-200"])
def test_no_byte_of_the_file_is_in_it(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        byte_range(header, 100)
