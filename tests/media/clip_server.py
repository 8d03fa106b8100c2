"""Fixtures of the tests that download a clip: one clip with sound, and a server of it over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.media.file_server import FileServer
from tests.media.movies import write_clip


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a clip of 5.04 s with sound, 320 x 180."""
    return write_clip(tmp_path_factory.mktemp("movie") / "clip.mp4", sound=True).read_bytes()


@pytest.fixture
def server(movie: bytes) -> Iterator[FileServer]:
    """A server of :func:`movie`."""
    with FileServer(movie).running() as running:
        yield running
