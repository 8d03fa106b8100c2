"""Every form of a frame that users pass, as an address."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument
from kling_airflow.task.frame_argument import frame_or_none
from tests.airflow_versions import Asset, ObjectStoragePath

FRAME = {"uri": "s3://frames/a b.png", "width": 1280, "height": 720, "sha256": "0", "format": "png"}

FORMS: tuple[tuple[Any, str | None], ...] = (
    ("s3://frames/a.png", "s3://frames/a.png"),
    (" s3://frames/a.png\n", "s3://frames/a.png"),
    ("https://example.com/a.png?x=1", "https://example.com/a.png?x=1"),
    (FRAME, "s3://frames/a b.png"),
    (json.dumps(FRAME), "s3://frames/a b.png"),
    (str(FRAME), "s3://frames/a b.png"),
    (ObjectStoragePath("s3://frames/a.png"), "s3://frames/a.png"),
    (ObjectStoragePath("s3://conn@frames/a.png"), "s3://conn@frames/a.png"),
    (ObjectStoragePath("file:///stills/a.png"), "file:///stills/a.png"),
    (Path("/stills/a b.png"), "file:///stills/a%20b.png"),
    (PurePosixPath("/stills/a.png"), "file:///stills/a.png"),
    ("/stills/a b.png", "file:///stills/a%20b.png"),
    (Asset(uri="s3://frames/a.png"), "s3://frames/a.png"),
    (None, None),
    ("", None),
    ("None", None),
    ("null", None),
)


@pytest.mark.parametrize(("value", "address"), FORMS, ids=lambda value: str(value)[:40])
def test_every_form(value: Any, address: str | None) -> None:
    assert frame_or_none("image", value) == address


@pytest.mark.parametrize(
    "value", [{"url": "s3://a"}, "{'sha256': '0'}", {"uri": None}, Path("a.png"), 7, b"png"]
)
def test_what_names_no_frame_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="`image_tail`"):
        frame_or_none("image_tail", value)


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = frame_or_none("image", text)
    except InvalidArgument:
        assert text.lstrip().startswith("{") or "\0" in text
    else:
        assert address is None or address.startswith("file:///") or address == text.strip() or "{" in text
