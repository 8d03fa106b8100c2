"""The picture of the simulator's page is one of the page as it is."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.docs.chromium import find
from tests.docs.simulator_picture import PICTURE, take, version, version_of


def test_the_picture_is_of_the_present_page() -> None:
    assert version_of(PICTURE) == version(), (
        "the page has changed; run: python -m tests.docs.simulator_picture"
    )


def test_the_picture_can_be_taken(tmp_path: Path) -> None:
    find()
    take(picture := tmp_path / "simulator.png", width=640, height=900)
    with Image.open(picture) as image:
        assert image.size == (640, 900)
        assert len(image.convert("L").getcolors() or ()) > 20  # it shows something
    assert version_of(picture) == version()
