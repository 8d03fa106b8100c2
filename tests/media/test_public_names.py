"""The public face of ``kling_airflow.media``: its names, and that importing it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kling_airflow import media

NAMES = {
    "Asked",
    "ClipInfo",
    "DownloadLimits",
    "Downloaded",
    "Frame",
    "FrameInfo",
    "FrameOptions",
    "LandingOptions",
    "Place",
    "Places",
    "Sidecar",
    "check_clip",
    "check_frame",
    "frame_at",
    "land",
    "poster",
    "prepare_frame",
    "read_url",
    "with_comment",
}


def test_the_public_names_are_these() -> None:
    assert set(media.__all__) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_is_what_it_says(name: str) -> None:
    assert getattr(media, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'prepare_film'"):
        _ = media.prepare_film


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, kling_airflow.media\n"
        "heavy = {'PIL', 'av', 'requests', 'airflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
