"""The file beside a clip, and files of that name which are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.media.sidecar import Sidecar

WHOLE: dict[str, Any] = {
    "request_id": "r-1",
    "clip": {
        "sha256": "ab",
        "bytes": 10,
        "duration_seconds": 5.0,
        "width": 1280,
        "height": 720,
        "fps": 24.0,
        "has_audio": False,
    },
    "poster": {"uri": "s3://b/x.jpg", "sha256": "cd", "bytes": 3},
}
ODD = st.sampled_from(
    [None, [], {}, "x", True, -1, 10**400, float("inf"), float("nan"), [[]], {"bytes": "x"}, {"bytes": {}}]
)


def test_a_whole_one_is_read() -> None:
    sidecar = Sidecar.parse(json.dumps(WHOLE).encode())
    assert sidecar is not None
    assert (sidecar.request_id, sidecar.sha256, sidecar.bytes) == ("r-1", "ab", 10)
    assert sidecar.to_json() == json.dumps(WHOLE, indent=2).encode() + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        None, b"", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000,
        json.dumps(WHOLE).encode()[:-1], json.dumps(WHOLE | {"clip": None}).encode(),
        json.dumps(WHOLE).replace('"bytes": 10', '"bytes": 1e999').encode(),
    ],
)  # fmt: skip
def test_any_other_file_is_none(data: bytes | None) -> None:
    assert Sidecar.parse(data) is None


@given(
    st.dictionaries(st.sampled_from(sorted(WHOLE)), ODD),
    st.dictionaries(st.sampled_from(sorted(WHOLE["clip"])), ODD),
)
def test_whatever_is_odd_in_it_is_read_or_refused_without_an_error(
    changed: dict[str, Any], of_the_clip: dict[str, Any]
) -> None:
    content = WHOLE | {"clip": WHOLE["clip"] | of_the_clip} | changed
    sidecar = Sidecar.parse(json.dumps(content).encode())
    if sidecar is not None:
        assert sidecar.bytes == int(content["clip"]["bytes"])
        assert sidecar.poster is None or int(sidecar.poster["bytes"]) >= 0
        assert dict(sidecar.measures).keys() >= {"width", "height"}
