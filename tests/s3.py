"""moto's server as S3, over real HTTP, and an Airflow connection that leads to it."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest

_COUNTER = itertools.count(1)


class S3:
    """A running S3.

    :param url: where it listens.
    """

    conn_id = "s3_for_tests"

    def __init__(self, url: str) -> None:
        import boto3

        self.url = url
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key="tests-secret",
        )

    @property
    def connection(self) -> str:
        """As the JSON that AIRFLOW_CONN_... takes."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": "tests",
                "password": "tests-secret",
                "extra": {"endpoint_url": self.url, "region_name": "us-east-1"},
            }
        )

    def bucket(self) -> str:
        """A new, empty bucket."""
        name = f"bucket-{os.getpid()}-{next(_COUNTER)}"
        self.client.create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str) -> list[str]:
        """What is in a bucket."""
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def get(self, bucket: str, key: str) -> bytes:
        """An object's content."""
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, bucket: str, key: str, data: bytes) -> str:
        """Store an object; returns its URI."""
        self.client.put_object(Bucket=bucket, Key=key, Body=data)
        return f"s3://{bucket}/{key}"


@contextlib.contextmanager
def running_s3() -> Iterator[S3]:
    """An S3 of our own, and the connection ``s3_for_tests`` to it."""
    from moto.server import ThreadedMotoServer

    # Airflow 2 sends every log to stdout, between the lines that a command prints.
    logging.getLogger("werkzeug").propagate = False
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    s3 = S3(f"http://{host}:{port}")
    name = f"AIRFLOW_CONN_{S3.conn_id.upper()}"
    os.environ[name] = s3.connection
    try:
        yield s3
    finally:
        del os.environ[name]
        server.stop()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """An S3 for the tests of a module."""
    forget_stores()
    with running_s3() as running:
        yield running
    forget_stores()


def forget_stores() -> None:
    """Empty Airflow's cache, one file system for each connection id: each module has its own server."""
    from tests.airflow_versions import store_cache

    store_cache.clear()
