"""The demo's S3: moto's server, and the files that the demo uploads and downloads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import requests

from kling_airflow.demo.cluster import clean_environment
from kling_airflow.demo.ports import LOOPBACK
from kling_airflow.demo.service import Service

REGION = "us-east-1"
ACCESS_KEY = "demo"
SECRET_KEY = "demo-secret"  # noqa: S105 -- moto takes any
STARTUP_SECONDS = 60


class ObjectStore:
    """Moto's S3 server in a process of its own.

    :param folder: where its log goes.
    :param port: to listen on.
    :param host: the address to listen on.
    """

    def __init__(self, folder: Path, *, port: int, host: str = LOOPBACK) -> None:
        self.url = f"http://{host}:{port}"
        self.service = Service(
            "S3 (moto)",
            [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)],
            log=folder / "s3.log",
            env=clean_environment(),
            cwd=folder,
        )

    @property
    def connection(self) -> dict[str, Any]:
        """The Airflow connection to this store."""
        return {
            "conn_type": "aws",
            "login": ACCESS_KEY,
            "password": SECRET_KEY,
            "extra": {"endpoint_url": self.url, "region_name": REGION},
        }

    @property
    def environment(self) -> dict[str, str]:
        """The same settings as environment variables, for a path that names no connection."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        :raises DemoError: if it ends first or takes too long.
        """
        with requests.Session() as session:
            session.trust_env = False
            self.service.wait_until_ready(
                lambda: session.get(f"{self.url}/moto-api/data.json", timeout=10).ok, timeout=STARTUP_SECONDS
            )

    def client(self) -> Any:
        """Return a boto3 client for it."""
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )

    def upload(self, file: Path, uri: str) -> str:
        """Put a file at ``s3://bucket/key``, with the bucket if need be; return the URI."""
        bucket, key = split_uri(uri)
        client = self.client()
        client.create_bucket(Bucket=bucket)
        client.upload_file(str(file), bucket, key)
        return uri

    def download(self, uri: str, folder: Path) -> Path:
        """Copy an object into a folder under the last part of its name; return the file."""
        bucket, key = split_uri(uri)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / key.rpartition("/")[2]
        self.client().download_file(bucket, key, str(file))
        return file


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``; a connection id before an ``@`` is left out."""
    authority, _, key = uri.removeprefix("s3://").partition("/")
    return authority.rpartition("@")[2], key
