"""Range headers of every kind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from kling_airflow.simulator.http.responses import byte_range, file_response
from kling_airflow.simulator.queue.refusal import Refusal

SIZE = st.integers(1, 10_000)
NUMBER = st.integers(0, 20_000)


@given(size=SIZE, first=NUMBER, last=NUMBER)
def test_from_to(size: int, first: int, last: int) -> None:
    header = f"bytes={first}-{last}"
    if last < first:
        assert byte_range(header, size) is None
    elif first >= size:
        with pytest.raises(Refusal) as caught:
            byte_range(header, size)
        assert (caught.value.status, caught.value.headers["content-range"]) == (416, f"bytes */{size}")
    else:
        assert byte_range(header, size) == (first, min(last, size - 1))


@given(size=SIZE, first=NUMBER)
def test_from_a_byte_to_the_end(size: int, first: int) -> None:
    if first >= size:
        with pytest.raises(Refusal):
            byte_range(f"bytes={first}-", size)
    else:
        assert byte_range(f"bytes={first}-", size) == (first, size - 1)


@given(size=SIZE, number=st.integers(1, 20_000))
def test_the_last_bytes(size: int, number: int) -> None:
    assert byte_range(f"bytes=-{number}", size) == (max(0, size - number), size - 1)


@given(header=st.text(max_size=30))
def test_nonsense_is_ignored(header: str) -> None:
    with suppress(Refusal):
        wanted = byte_range(header, 1000)
        assert wanted is None or 0 <= wanted[0] <= wanted[1] < 1000


@given(begin=st.integers(0, 700_000), length=st.integers(1, 600_000))
def test_parts_are_the_file_s(tmp_path_factory: pytest.TempPathFactory, begin: int, length: int) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "file-with-parts.bin"
    if not path.exists():
        path.write_bytes(bytes(range(251)) * 3000)
    whole = path.read_bytes()

    async def read() -> bytes:
        response = file_response(path, "video/mp4", f"bytes={begin}-{begin + length - 1}", head=False)
        assert int(response.headers["content-length"]) == len(whole[begin : begin + length])
        assert isinstance(response, StreamingResponse)
        return b"".join([bytes(part) async for part in response.body_iterator if not isinstance(part, str)])

    assert asyncio.run(read()) == whole[begin : begin + length]
