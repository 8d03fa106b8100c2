"""Places: what an address may lie in, whatever way it is spelled."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.hooks.allowed_places import Place, any_holds, parse_places, place_of_code


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("s3://", "s3://any/x.png"),
        ("S3://", "s3://any/x.png"),
        ("s3", "s3://any/x.png"),
        ("s3://stills", "s3://stills/a/b.png"),
        ("s3://stills-*", "s3://stills-2026/a.png"),
        ("s3://stills/raw", "s3://stills/raw/a.png"),
        ("s3://stills/raw/", "s3://stills/raw/a.png"),
        ("s3://conn@stills", "s3://conn@stills/a.png"),
        ("abfs://container@account", "abfs://container@account/a.png"),
        ("https://", "https://example.com/a.png"),
        ("https://*.example.com", "https://cdn.example.com/a.png"),
        ("https://example.com", "https://EXAMPLE.com:443/a.png"),
        ("http://example.com", "http://example.com:8080/a.png"),
        ("http://example.com:8080", "http://example.com:8080/a.png"),
        ("https://example.com/pub", "https://example.com/pub/a/../b.png"),
        ("file:///", "file:///etc/hostname"),
        ("file:///data", "file:///data/a.png"),
        ("file:///data", "local:///data/a.png"),
        ("file:///data", "file://localhost/data/a%20b.png"),
    ],
)
def test_an_address_that_lies_in_a_place(place: str, address: str) -> None:
    assert Place.parse(place).holds(address)


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("s3://", "gs://any/x.png"),
        ("s3://", "s3://conn@any/x.png"),
        ("s3://conn@", "s3://other@any/x.png"),
        ("s3://stills", "s3://stills-2026/a.png"),
        ("s3://stills", "s3://other/stills/a.png"),
        ("s3://stills/raw", "s3://stills/raw-2/a.png"),
        ("s3://stills/raw", "s3://stills/a.png"),
        ("https://", "http://example.com/a.png"),
        ("https://example.com", "https://example.com.evil.test/a.png"),
        ("https://example.com", "https://evil.test/example.com"),
        ("https://*.example.com", "https://example.com.evil.test/a.png"),
        ("http://example.com:8080", "http://example.com/a.png"),
        ("https://example.com/pub", "https://example.com/pub/../private/a.png"),
        ("https://example.com/pub", "https://example.com/pub/%2e%2e/private/a.png"),
        ("https://example.com/pub", "https://example.com/pub/%252e%252e/private/a.png"),
        ("https://example.com/pub", "https://example.com/pub/..%5cprivate/a.png"),
        ("https://*.example.com", "https://evil.test\\.example.com/a.png"),
        ("https://*.example.com", "https://evil.test:443\\@x.example.com/a.png"),
        ("https://*.example.com", "https://evil.test%2f.example.com/a.png"),
        ("s3://stills", "s3://stills./a.png"),
        ("s3://stills", "s3://STILLS/a.png"),
        ("s3://stills/raw", "s3://stills/raw/../secret/a.png"),
        ("s3://stills/raw", "s3://stills/raw/%2E%2e/secret/a.png"),
        ("s3://stills/raw", "s3://stills/raw/..\\secret/a.png"),
        ("s3://", "s3://stills/../other/a.png"),
        ("abfs://frames@account", "abfs://frames@account/../other/a.png"),
        ("https://example.com", "https://[broken/a.png"),
        ("file:///data", "file:///data-2/a.png"),
        ("file:///data", "file:///data/../etc/hostname"),
        ("file:///data", "file:///data/%2e%2e/etc/hostname"),
        ("file:///data", "simplecache::file:///data/a.png"),
    ],
)
def test_an_address_that_does_not(place: str, address: str) -> None:
    assert not Place.parse(place).holds(address)


def test_a_link_out_of_a_folder_is_not_in_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to("/etc")
    assert not Place.parse(f"file://{tmp_path}/data").holds(f"file://{tmp_path}/data/out/hostname")


def test_a_setting_names_several() -> None:
    places = parse_places(" https://,s3://stills\n  file:///data ")
    assert [place.scheme for place in places] == ["https", "s3", "file"]
    assert any_holds(places, "s3://stills/x.png")
    assert not any_holds(places, "s3://other/x.png")


@pytest.mark.parametrize(
    ("written", "rendered", "holds"),
    [
        ("s3://clips/{{ ds }}/x.mp4", "s3://clips/2026-11-27/x.mp4", True),
        ("s3://clips/{{ ds }}/x.mp4", "s3://other/2026-11-27/x.mp4", False),
        ("s3://conn@clips/{{ ds }}/x.mp4", "s3://conn@clips/2026/x.mp4", True),
        ("s3://clips/{{ ds }}/x.mp4", "s3://conn@clips/2026/x.mp4", False),
        ("s3://clips-{{ params.team }}/x.mp4", "s3://clips-a/x.mp4", False),
        ("s3://{{ params.bucket }}/x.mp4", "s3://clips/x.mp4", False),
        ("{{ params.source }}", "file:///etc/passwd", False),
        ("https://host/{{ params.path }}", "https://host/a.png", True),
        ("https://host/{{ params.path }}", "https://host@evil.test/a.png", False),
        ("s3://clips/{{ params.name }}", "s3://clips/a/../b.png", True),
        ("s3://clips/{{ params.name }}", "s3://clips/../other/b.png", False),
        ("file:///data/{{ ds }}/x.mp4", "file:///data/2026/x.mp4", True),
        ("file:///data/{{ params.name }}", "file:///data/../etc/passwd", False),
        ("file:///{{ params.path }}", "file:///etc/passwd", False),
        ("file:///data/x.mp4", "file:///data/x.mp4", True),
        ("file:///data/x.mp4", "file:///data/y.mp4", False),
    ],
)
def test_the_place_that_a_dags_code_names(written: str, rendered: str, holds: bool) -> None:
    place = place_of_code(written)
    assert (place is not None and place.holds(rendered)) is holds


SEGMENTS = st.lists(st.sampled_from(["..", ".", "a", "%2e%2e", "%2E.", "", "b c"]), max_size=6)


@given(SEGMENTS)
def test_no_spelling_of_a_path_leaves_its_folder(segments: list[str]) -> None:
    import os
    from urllib.parse import unquote

    path = "/".join(segments)
    inside = os.path.realpath("/data/frames/" + unquote(path)).startswith("/data/frames")
    assert Place.parse("file:///data/frames").holds(f"file:///data/frames/{path}") is inside
