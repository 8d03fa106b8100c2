"""Hosting a private frame: `POST /upload-url`, the PUT, the public URL."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from kling_airflow.simulator import Simulator
from tests.simulator.client import Queue, message, picture
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Slow, Started

TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpg",
    "mp4": "video/mp4",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
}


def sign(queue: Queue, file_type: Any = "png") -> dict[str, str]:
    answer = queue.call("POST", "/upload-url", json={"file_type": file_type})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def put(
    url: str,
    data: bytes = b"bytes",
    *,
    content_type: str | None = "image/png",
    headers: dict[str, str] | None = None,
) -> requests.Response:
    headers = dict(headers or {})
    if content_type is not None:
        headers["Content-Type"] = content_type
    return requests.put(url, data=data, headers=headers, timeout=5)


@row('`POST /upload-url {"file_type"}` answers `upload_url` and `public_url`', "seen")
def test_upload_url(queue: Queue) -> None:
    assert set(sign(queue)) == {"upload_url", "public_url"}


@row("Then the bytes are PUT to `upload_url`, and can be read at `public_url`", "seen")
def test_put_then_public(queue: Queue) -> None:
    signed = sign(queue)
    assert requests.get(signed["public_url"], timeout=5).status_code == 404
    assert put(signed["upload_url"], b"the frame").status_code == 200
    read = requests.get(signed["public_url"], timeout=5)
    assert (read.content, read.headers["content-type"]) == (b"the frame", "image/png")


@row("The Content-Type is part of the signature; that of `jpg` is the literal `image/jpg`", "seen")
@pytest.mark.parametrize("file_type", list(TYPES))
def test_content_type_by_file_type(queue: Queue, file_type: str) -> None:
    assert put(sign(queue, file_type)["upload_url"], content_type=TYPES[file_type]).status_code == 200


@row("Any other Content-Type: 403 with an XML body", "seen")
@pytest.mark.parametrize(
    ("file_type", "content_type"),
    [("jpg", "image/jpeg"), ("jpeg", "image/jpg"), ("png", "application/octet-stream"), ("mp3", "audio/mp3")],
)
def test_another_content_type_is_403_xml(queue: Queue, file_type: str, content_type: str) -> None:
    signed = sign(queue, file_type)
    answer = put(signed["upload_url"], content_type=content_type)
    assert answer.status_code == 403
    assert ET.fromstring(answer.content).find("Code") is not None
    assert requests.get(signed["public_url"], timeout=5).status_code == 404


@row("No Content-Type: 400 XML", "seen")
def test_no_content_type_is_400_xml(queue: Queue) -> None:
    answer = put(sign(queue)["upload_url"], content_type=None)
    assert answer.status_code == 400
    assert ET.fromstring(answer.content).findtext("Code") == "MalformedSecurityHeader"


@row("The upload URL says when it was signed, and for how many seconds it is valid", "assumed")
def test_expiry_in_seconds(queue: Queue) -> None:
    query = parse_qs(urlsplit(sign(queue)["upload_url"]).query)
    assert query["X-Goog-Expires"] == ["900"]
    assert re.fullmatch(r"\d{8}T\d{6}Z", query["X-Goog-Date"][0])


@row("The upload URL expires after about 15 minutes", "seen")
def test_upload_url_expires(slow: Slow) -> None:
    _, queue, clock = slow
    signed = sign(queue)
    clock.advance(890)
    assert put(signed["upload_url"]).status_code == 200
    clock.advance(20)
    late = put(signed["upload_url"])
    assert late.status_code == 400
    assert ET.fromstring(late.content).findtext("Code") == "ExpiredToken"


@row("A signature holds for its own path and time only", "assumed")
def test_signature_is_bound(queue: Queue) -> None:
    one, other = sign(queue), sign(queue)
    query = one["upload_url"].partition("?")[2]
    assert put(f"{other['public_url']}?{query}").status_code == 403
    assert put(one["upload_url"].replace("X-Goog-Expires=900", "X-Goog-Expires=9000")).status_code == 403
    assert put(one["public_url"]).status_code == 403


@row("The API key is never sent to the object store: it is refused there", "seen")
def test_key_is_refused_by_the_store(sim: Simulator, queue: Queue) -> None:
    bearer = {"Authorization": f"Bearer {sim.api_key}"}
    signed = sign(queue)
    assert put(signed["upload_url"], headers=bearer).status_code == 400
    assert put(signed["upload_url"]).status_code == 200
    assert requests.get(signed["public_url"], headers=bearer, timeout=5).status_code == 401


@row("`public_url` is stable and public", "seen")
def test_public_url_is_stable(slow: Slow) -> None:
    _, queue, clock = slow
    url = queue.upload(b"frame", "png", "image/png")
    clock.advance(86_400)
    assert requests.get(url, timeout=5).content == b"frame"


@row("`public_url` is unique per upload", "seen")
def test_public_url_is_unique(queue: Queue) -> None:
    assert len({sign(queue)["public_url"] for _ in range(20)}) == 20


@row("Another `file_type` is 400", "assumed")
@pytest.mark.parametrize(
    "body", [{"file_type": "gif"}, {"file_type": "PNG"}, {}, {"file_type": 3}, [], "png"]
)
def test_another_file_type_is_400(queue: Queue, body: Any) -> None:
    answer = queue.call("POST", "/upload-url", json=body)
    assert answer.status_code == 400
    assert "file_type" in message(answer)


@row("An uploaded frame can be the start of a clip", "seen")
def test_uploaded_frame_becomes_a_clip(queue: Queue) -> None:
    url = queue.upload(picture(), "jpg", "image/jpg")
    assert queue.finished(queue.submit(image=url))["status"] == "success"


@row("Behind a proxy the URLs begin with the public one (`public_url`)", "assumed")
def test_public_url_of_a_proxy(started: Started) -> None:
    _, queue = started(public_url="https://gmi.example/", fetch_frames=False)
    signed = sign(queue)
    assert signed["upload_url"].startswith("https://gmi.example/gmi-user-uploads/")
    assert signed["public_url"].startswith("https://gmi.example/gmi-user-uploads/")
    record = queue.finished(queue.submit())
    assert record["outcome"]["media_urls"][0]["url"].startswith("https://gmi.example/gmi-video-assests-prod/")
