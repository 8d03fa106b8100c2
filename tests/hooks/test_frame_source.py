"""Frames read from anywhere: what fails says that no money was spent, and what to do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from kling_airflow.errors import (
    DownloadFailed,
    InvalidArgument,
    InvalidFrame,
    KlingError,
    Money,
    StorageFailed,
)
from kling_airflow.get_provider_info import get_provider_info
from kling_airflow.hooks.allowed_addresses import DEFAULTS, WrittenPlaces
from kling_airflow.hooks.frame_source import presign_allowed, read_allowed_frame, read_frame
from tests.media.file_server import FileServer, serve, status
from tests.s3 import S3
from tests.s3 import s3 as s3


def test_every_error_of_reading_a_frame_says_that_no_money_was_spent(tmp_path: Path) -> None:
    with FileServer(b"x").running() as server:
        server.faults = [status(404)]
        sources = [server.url, f"file://{tmp_path}", "s3://bucket/x?sig=1", "foo://b/x", "data:x", "", None]
        for source in sources:
            with pytest.raises(KlingError) as caught:
                read_frame(source, max_bytes=10)
            assert caught.value.money is Money.UNSPENT
            assert caught.value.todo


def test_the_kind_of_error_stays_what_it_is(tmp_path: Path) -> None:
    with FileServer(b"x").running() as server:
        server.faults = [status(404)]
        with pytest.raises(DownloadFailed, match="answered 404 .* Check the address") as caught:
            read_frame(server.url, max_bytes=10)
        assert caught.value.gone
    with pytest.raises(StorageFailed, match="Is a directory.* Check the address"):
        read_frame(f"file://{tmp_path}", max_bytes=1_000_000)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<!doctype html><title>Sign in</title>", "text/html; charset=utf-8", "an HTML page that begins"),
        (b"<Error><Code>AccessDenied</Code></Error>", "application/xml", "AccessDenied"),
        (b"%PDF-1.7\n", "application/pdf", "a PDF document"),
        (b"\x12\x34\x56\x78\x9a", "image/jpeg", "a file of an unknown type"),
        (b"\x1f\x8b\x08\0\0", "", "gzip data"),
    ],
)
def test_of_what_is_no_picture_the_type_and_the_first_bytes_are_told(
    body: bytes, kind: str, words: str
) -> None:
    with FileServer(body).running() as server:
        extra = {"Content-Type": kind} if kind else {}
        server.faults = [lambda handler, running: serve(handler, running, extra=extra)]
        url = f"{server.url}?X-Amz-Signature=secret"
        written = WrittenPlaces(SimpleNamespace(), image=url)
        with pytest.raises(InvalidFrame, match="is not a picture that can be read") as caught:
            read_allowed_frame(url, "image", written, conn_id=None, max_bytes=1000)
    said = str(caught.value)
    assert said.startswith(f"`image`: what {server.url} shows")
    assert words in said
    assert f"Content-Type {kind.partition(';')[0] or 'not given'}, first bytes {body[:8].hex(' ')}" in said
    assert "secret" not in said
    assert caught.value.todo


def test_a_presigned_frame_is_confined_as_one_that_is_read(s3: S3) -> None:
    bucket = s3.bucket()
    s3.put(bucket, "x.png", b"picture")
    nothing_written = WrittenPlaces(SimpleNamespace(), image=None, image_tail=None)
    with pytest.raises(InvalidArgument, match=r"`\[kling\] allowed_sources` does not allow it"):
        presign_allowed(f"s3://{S3.conn_id}@{bucket}/x.png", "image", nothing_written)
    for field, written in (
        ("image", WrittenPlaces(SimpleNamespace(), image=f"s3://{S3.conn_id}@{bucket}/{{{{ ds }}}}")),
        ("image_tail", WrittenPlaces(SimpleNamespace(), image_tail=f"s3://{S3.conn_id}@{bucket}/x.png")),
        ("references.1", WrittenPlaces(SimpleNamespace(), references=[f"s3://{S3.conn_id}@{bucket}/"])),
    ):
        signed = presign_allowed(f"s3://{S3.conn_id}@{bucket}/x.png", field, written)
        assert requests.get(signed, timeout=10).content == b"picture"


def test_what_people_pass_is_read(tmp_path: Path) -> None:
    path = tmp_path / "my frame.png"
    path.write_bytes(b"picture")
    for source in (path, path.as_uri(), {"uri": path.as_uri()}, f" {path.as_uri()}\n"):
        written = WrittenPlaces(SimpleNamespace(), image=source)
        assert read_allowed_frame(source, "image", written, conn_id=None, max_bytes=10) == b"picture"


@pytest.mark.parametrize("setting", DEFAULTS)
def test_the_defaults_are_those_that_airflow_shows(setting: str) -> None:
    assert get_provider_info()["config"]["kling"]["options"][setting]["default"] == DEFAULTS[setting]
