"""Moving previews: small, endless, of the whole film."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.film.preview import preview
from tests.media.movies import write_clip
from tests.media.pictures import near


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_it_goes_through_the_film(tmp_path: Path, format: str) -> None:  # noqa: A002
    path = write_clip(tmp_path / "x.mp4", frames=240, size=(64, 36))
    picture = Image.open(io.BytesIO(preview(path, 10, format)))
    assert (picture.format, picture.size) == (format.upper(), (320, 180))
    assert 25 <= picture.n_frames <= 40  # pictures that are alike are one, shown for longer
    assert picture.info["loop"] == 0
    assert near(picture.convert("RGB").getpixel((200, 90)), (240, 40, 10), 40)
    picture.seek(picture.n_frames - 1)
    assert near(picture.convert("RGB").getpixel((200, 90)), (10, 40, 240), 40)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="`preview` is 'avi'; it must be `gif` or `webp`"):
        preview(write_clip(tmp_path / "x.mp4", frames=2), 1, "avi")
