"""Objects of a store: read with a cap, written whole or not at all, errors that name the field."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import stat
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
from fsspec.implementations.local import LocalFileSystem

from kling_airflow.addresses import check_location
from kling_airflow.errors import DownloadFailed, InvalidArgument, StorageFailed
from kling_airflow.hooks.frame_source import presign, read_frame
from kling_airflow.hooks.storage import BLOCK, StoredObject
from tests.media.file_server import FileServer
from tests.s3 import S3, forget_stores
from tests.s3 import s3 as s3

Stored = Callable[[str], StoredObject]


DATA = random.Random(3).randbytes(20_000)


@pytest.fixture
def bucket(s3: S3) -> str:
    return s3.bucket()


@pytest.fixture
def stored(s3: S3, bucket: str) -> Stored:
    return lambda key: StoredObject(f"s3://{bucket}/{key}", conn_id=S3.conn_id)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (None, "`destination` is None; it must be an address"),
        ("  ", "`destination` is ' '; it must be an address"),
        ("/tmp/x.mp4", "without a scheme; write s3://"),
        ("x.mp4", "without a scheme"),
        ("s3:///x.mp4", "the bucket is missing"),
        ("s3://conn@/x.mp4", "the bucket is missing"),
        ("s3://", "the bucket is missing"),
        ("s3://bucket", "the file name is missing"),
        ("s3://bucket/", "the file name is missing"),
        ("s3://bucket/folder/", "the file name is missing"),
        ("file:///", "the file name is missing"),
        ("s3://key:hidden@bucket/x.mp4", "with a password in it"),
    ],
)
def test_what_is_no_address_of_one_object(uri: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as caught:
        check_location(uri, "destination")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/x.mp4",
        "s3://conn@bucket/manual__2026-11-23T04:00:00+00:00/x.mp4",
        "gs://bucket/a/b/c",
        "file:///tmp/x.mp4",
        "abfs://container@account/x.mp4",
    ],
)
def test_addresses(uri: str) -> None:
    assert check_location(uri, "destination") == uri


def test_a_round_trip(s3: S3, bucket: str, stored: Stored) -> None:
    place = stored("a folder/x#1?.mp4")
    assert place.uri == f"s3://{bucket}/a folder/x#1?.mp4"
    assert place.size() is None
    assert place.read(10) is None
    place.write(DATA, "video/mp4")
    assert s3.get(bucket, "a folder/x#1?.mp4") == DATA
    assert place.size() == len(DATA)
    assert place.read(10) == DATA[:10]
    assert place.read_all(len(DATA)) == DATA
    assert place.sha256() == hashlib.sha256(DATA).hexdigest()
    place.delete()
    place.delete()
    assert place.size() is None
    assert s3.keys(bucket) == []


def test_a_sibling(stored: Stored, bucket: str) -> None:
    assert stored("a/x.mp4").sibling(".json").uri == f"s3://{bucket}/a/x.json"
    assert stored("a/take.1.mp4").sibling(".json").uri == f"s3://{bucket}/a/take.1.json"


def test_a_large_file_goes_in_parts_and_a_small_one_at_once(
    s3: S3, bucket: str, stored: Stored, tmp_path: Path
) -> None:
    for name, size in (("small.mp4", 1000), ("one block.mp4", BLOCK), ("large.mp4", 2 * BLOCK + 5)):
        path = tmp_path / name
        path.write_bytes(random.Random(5).randbytes(size))
        stored(name).write_file(path, "video/mp4")
        assert s3.get(bucket, name) == path.read_bytes()
        head = s3.client.head_object(Bucket=bucket, Key=name)
        assert head["ContentType"] == "video/mp4"
        assert ("-" in head["ETag"]) == (size >= BLOCK)


def test_a_stored_size_that_differs_is_noticed(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(DATA)
    place = stored("x.mp4")
    whole = place._fs.pipe_file
    monkeypatch.setattr(place._fs, "pipe_file", lambda to, data, **how: whole(to, data[:100], **how))
    with pytest.raises(StorageFailed, match=r"x\.mp4 has 100 bytes after 20,000 were written"):
        place.write_file(path, "video/mp4")


def test_the_size_is_that_of_now_and_not_of_an_earlier_listing(s3: S3, bucket: str, stored: Stored) -> None:
    s3.put(bucket, "a/x.mp4", b"short")
    place = stored("a/x.mp4")
    assert [item["size"] for item in place._fs.ls(f"{bucket}/a", detail=True)] == [5]
    s3.put(bucket, "a/x.mp4", DATA)
    assert place.size() == len(DATA)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_write_that_is_stopped_stores_nothing(
    s3: S3,
    bucket: str,
    stored: Stored,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(2 * BLOCK))

    def copy_half(source: Any, sink: Any, block: int) -> None:
        sink.write(source.read(BLOCK + 1))
        raise error("stopped")

    monkeypatch.setattr(shutil, "copyfileobj", copy_half)
    place = stored("x.mp4")
    with pytest.raises(StorageFailed if error is RuntimeError else KeyboardInterrupt):
        place.write_file(path, "video/mp4")
    assert s3.keys(bucket) == []
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=bucket)


def test_a_stopped_local_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "new.mp4", tmp_path / "folder" / "x.mp4"
    source.write_bytes(DATA)
    place = StoredObject(target.as_uri())
    place.write(b"older", "video/mp4")

    def copy_half(read: Any, sink: Any, block: int) -> None:
        sink.write(read.read(100))
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", copy_half)
    with pytest.raises(KeyboardInterrupt):
        place.write_file(source, "video/mp4")
    assert target.read_bytes() == b"older"
    monkeypatch.undo()
    place.write_file(source, "video/mp4")
    assert target.read_bytes() == DATA
    assert stat.S_IMODE(target.stat().st_mode) & 0o600 == 0o600


def test_a_bucket_that_does_not_exist_is_named(tmp_path: Path) -> None:
    place = StoredObject("s3://no-such-bucket/x.mp4", conn_id=S3.conn_id)
    for act in (
        lambda: place.read(5),
        place.size,
        lambda: place.read_all(5),
        lambda: place.write(b"x", "video/mp4"),
    ):
        with pytest.raises(
            InvalidArgument, match=r"`destination` is s3://no-such-bucket/x\.mp4, whose bucket does not exist"
        ):
            act()


def test_an_object_that_does_not_exist_is_named(bucket: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"`source` is s3://{bucket}/none\.png, which does not exist"):
        read_frame(f"s3://{bucket}/none.png", conn_id=S3.conn_id, max_bytes=10)


def test_the_cap(s3: S3, bucket: str) -> None:
    uri = s3.put(bucket, "x.png", DATA)
    assert read_frame(uri, conn_id=S3.conn_id, max_bytes=20_000) == DATA
    with pytest.raises(InvalidArgument, match=r"more than 19,999 bytes \(max_bytes\)"):
        read_frame(uri, conn_id=S3.conn_id, max_bytes=19_999)


def test_the_cap_holds_where_the_size_is_not_known(
    s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = s3.put(bucket, "x.png", DATA)
    monkeypatch.setattr(StoredObject, "size", lambda self: None)
    with pytest.raises(InvalidArgument, match=r"more than 19,999 bytes \(max_bytes\)"):
        read_frame(uri, conn_id=S3.conn_id, max_bytes=19_999)


def test_other_sources(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(DATA)
    assert read_frame((tmp_path / "x.png").as_uri(), max_bytes=20_000) == DATA
    with FileServer(DATA).running() as server:
        assert read_frame(server.url, max_bytes=20_000) == DATA
        with pytest.raises(DownloadFailed, match="max_bytes"):
            read_frame(server.url, max_bytes=19_999)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("foo://bucket/x.png", "`source` begins with foo://, which nothing here can open"),
        ("gs://bucket/x.png", r"`source` begins with gs://.* Install kling_airflow\[gcs\]"),
    ],
)
def test_schemes_that_nothing_opens(uri: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_frame(uri, max_bytes=10)


@pytest.mark.parametrize(
    ("uri", "conn_id"), [("s3://bucket/x.png", "not_defined"), ("s3://not_defined@bucket/x.png", None)]
)
def test_a_connection_that_is_not_defined_is_no_anonymous_access(uri: str, conn_id: str | None) -> None:
    with pytest.raises(InvalidArgument, match="`source`: the connection `not_defined` is not defined"):
        read_frame(uri, conn_id=conn_id, max_bytes=10)


def test_a_connection_in_the_address_works_and_is_not_shown(s3: S3, bucket: str) -> None:
    uri = s3.put(bucket, "x.png", DATA).replace("s3://", f"s3://{S3.conn_id}@")
    place = StoredObject(uri)
    assert place.read(5) == DATA[:5]
    assert place.uri == f"s3://{bucket}/x.png"


def test_the_stores_default_connection_is_used_where_it_is_defined(
    s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = s3.put(bucket, "x.png", DATA)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.connection)
    forget_stores()
    assert read_frame(uri, max_bytes=20_000) == DATA


def test_else_the_environment_is_used(s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = s3.put(bucket, "x.png", DATA)
    for name, value in {
        "AWS_ENDPOINT_URL": s3.url,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests-secret",
    }.items():
        monkeypatch.setenv(name, value)
    forget_stores()
    assert read_frame(uri, max_bytes=20_000) == DATA
    forget_stores()


def test_a_store_that_is_not_reached_may_be_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_NO_STORE",
        '{"conn_type": "aws", "login": "a", "password": "secret", "extra": '
        '{"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1", "config_kwargs": '
        '{"retries": {"max_attempts": 0}}}}',
    )
    with pytest.raises(StorageFailed, match=r"can't be looked at with the connection `no_store`") as caught:
        read_frame("s3://bucket/x.png", conn_id="no_store", max_bytes=10)
    assert "secret" not in str(caught.value)


def test_an_object_that_may_not_be_read_or_looked_at(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StoredObject((tmp_path / "x.json").as_uri())
    monkeypatch.setattr(LocalFileSystem, "open", _forbidden)
    monkeypatch.setattr(LocalFileSystem, "info", _forbidden)
    assert place.read(10) == b""
    assert "can't be read" in caplog.text
    assert place.size() is None
    assert "can't be looked at" in caplog.text
    with pytest.raises(StorageFailed, match="can't be written"):
        place.write(b"x", "application/json")


def _forbidden(*args: Any, **kwargs: Any) -> None:
    raise PermissionError("Access Denied")


def test_a_signed_address_can_be_read_by_anyone(s3: S3, bucket: str) -> None:
    uri = s3.put(bucket, "x.png", DATA)
    assert requests.get(presign(uri, conn_id=S3.conn_id), timeout=10).content == DATA


def test_a_place_signs_as_often_as_it_is_asked_and_reads_afterwards(stored: Stored) -> None:
    place = stored("frame.png")
    place.write(DATA, "image/png")
    for _ in range(3):
        assert requests.get(place.sign(600), timeout=10).content == DATA
        assert place.size() == len(DATA)
    again = stored("frame.png")
    assert requests.get(again.sign(600), timeout=10).content == DATA


def test_a_store_without_signed_addresses_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"`image` is file://.*has no signed addresses"):
        presign((tmp_path / "x.png").as_uri())


@pytest.mark.parametrize("name", ["my photo.jpg", "shot #1?.jpg", "caf\u00e9.jpg", "100%.jpg", "a%20b.jpg"])
def test_a_local_file_of_any_name_as_pathlib_writes_it(tmp_path: Path, name: str) -> None:
    place = StoredObject((tmp_path / "in" / name).as_uri())
    place.write(DATA, "image/jpeg")
    assert [path.name for path in (tmp_path / "in").iterdir()] == [name]
    assert StoredObject(place.uri).read_all(len(DATA)) == DATA
    assert read_frame(tmp_path / "in" / name, max_bytes=len(DATA)) == DATA


def test_a_version_of_an_object_is_read_and_never_written(s3: S3, bucket: str) -> None:
    s3.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.client.put_object(Bucket=bucket, Key="x.png", Body=b"old")["VersionId"]
    uri = s3.put(bucket, "x.png", b"newer")
    assert read_frame(uri, conn_id=S3.conn_id, max_bytes=10) == b"newer"
    place = StoredObject(f"{uri}?versionId={old}", conn_id=S3.conn_id)
    assert place.size() == 3
    assert place.read_all(10) == b"old"
    assert place.sha256() == hashlib.sha256(b"old").hexdigest()
    with pytest.raises(InvalidArgument, match="with a version of it"):
        place.write(b"x", "image/png")
    assert s3.get(bucket, "x.png") == b"newer"


@pytest.mark.parametrize("query", ["versionId={}#x", "a=b&versionId={}", "versionId=", "versionid={}&a=b"])
def test_a_version_that_cannot_be_told_is_refused(s3: S3, bucket: str, query: str) -> None:
    """Never is another version taken in its place."""
    s3.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.client.put_object(Bucket=bucket, Key="x.png", Body=b"old")["VersionId"]
    uri = s3.put(bucket, "x.png", b"newer")
    with pytest.raises(InvalidArgument, match="names a version in a way that is not read"):
        read_frame(f"{uri}?{query.format(old)}", conn_id=S3.conn_id, max_bytes=10)


@pytest.mark.parametrize("name", ["Nonsense", "serverSideEncryption", "SSEKMSKeyID"])
def test_an_option_that_no_call_takes_is_refused(bucket: str, name: str) -> None:
    """s3fs drops it: an object that should be encrypted would not be."""
    with pytest.raises(InvalidArgument, match=f"`object_options` has {name}, which no call of S3 takes"):
        StoredObject(f"s3://{bucket}/x.mp4", conn_id=S3.conn_id, options={name: "x"})


def test_a_claim_is_created_with_the_options_as_well(s3: S3, bucket: str) -> None:
    options = {"ServerSideEncryption": "aws:kms", "ACL": "bucket-owner-full-control"}
    place = StoredObject(f"s3://{bucket}/x.mp4", conn_id=S3.conn_id, options=options)
    claim = place.sibling(".landing.json")
    assert claim.create(b"first")
    assert not claim.create(b"second")
    head = s3.client.head_object(Bucket=bucket, Key="x.landing.json")
    assert head["ServerSideEncryption"] == "aws:kms"


def test_a_version_in_a_store_without_versions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(DATA)
    with pytest.raises(InvalidArgument, match="a version of an object is known for s3:// only"):
        read_frame(f"file://{tmp_path}/x.png?versionId=3", max_bytes=10)


def test_options_of_an_object_reach_the_store(s3: S3, bucket: str, tmp_path: Path) -> None:
    options = {"ServerSideEncryption": "AES256", "RequestPayer": "requester", "Metadata": {"shot": "12"}}
    place = StoredObject(f"s3://{bucket}/x.mp4", conn_id=S3.conn_id, options=options)
    place.write(DATA, "video/mp4")
    head = s3.client.head_object(Bucket=bucket, Key="x.mp4")
    assert head["ServerSideEncryption"] == "AES256"
    assert head["Metadata"] == {"shot": "12"}
    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(BLOCK + 5))
    place.sibling(".large").write_file(path, "video/mp4")
    head = s3.client.head_object(Bucket=bucket, Key="x.large")
    assert (head["ContentLength"], head["ServerSideEncryption"]) == (BLOCK + 5, "AES256")
    assert place.read_all(len(DATA)) == DATA
    with pytest.raises(InvalidArgument, match="`object_options` are known for s3:// only"):
        StoredObject((tmp_path / "x.mp4").as_uri(), options=options)


@pytest.mark.parametrize("where", ["s3", "file"])
def test_an_object_is_created_once(s3: S3, bucket: str, tmp_path: Path, where: str) -> None:
    base = f"s3://{bucket}" if where == "s3" else f"file://{tmp_path}/new"
    place = StoredObject(f"{base}/x.landing.json", conn_id=S3.conn_id if where == "s3" else None)
    assert place.create(b"first")
    assert not place.create(b"second")
    assert place.read(10) == b"first"
    place.delete()
    assert place.create(b"second")


def test_a_store_that_refuses_the_checksums_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    def put(handler: BaseHTTPRequestHandler, running: FileServer) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        names = [name.lower() for name in handler.headers]
        refused = any(name.startswith("x-amz-") and "checksum" in name for name in names)
        body = b"<Error><Code>NotImplemented</Code><Message>A header is not implemented</Message></Error>"
        body = body if refused else b""
        handler.send_response(501 if refused else 200)
        handler.send_header("ETag", '"x"')
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with FileServer(b"", answer_put=put).running() as server:
        for name, extra in (
            ("plain", {}),
            ("old", {"config_kwargs": {"request_checksum_calculation": "when_required"}}),
        ):
            settings = {"endpoint_url": server.url.removesuffix("/clip.mp4"), "region_name": "auto"} | extra
            connection = {"conn_type": "aws", "login": "tests", "password": "tests-secret", "extra": settings}
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
        forget_stores()
        with pytest.raises(StorageFailed, match="request_checksum_calculation"):
            StoredObject("s3://pics/a.jpg", conn_id="plain").write(b"x" * 1000, "image/jpeg")
        StoredObject("s3://pics/a.jpg", conn_id="old").write(b"x" * 1000, "image/jpeg")
    forget_stores()
