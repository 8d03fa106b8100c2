"""Landing: MB/s and peak memory for a 200 MB clip from HTTP into S3, against peers and a floor.

Source, S3 and each variant run in processes of their own; a variant's time leaves its imports out.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import importlib
import json
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks._table import publish

BUCKET = "benchmark"
MEGABYTES = 200
S3_MODULES = ("s3fs", "airflow.providers.amazon.aws.hooks.s3")
CREDENTIALS = {"aws_access_key_id": "benchmark", "aws_secret_access_key": "benchmark-secret"}


def ours(source: str, s3: str) -> Callable[[], None]:
    """Land it with the operator, all checks included."""
    preload("av", "PIL.Image", "requests", *S3_MODULES)
    from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

    operator = ClipToObjectStorageOperator(
        task_id="land",
        clip={"request_id": "benchmark", "video_url": source},
        destination=f"s3://{BUCKET}/ours.mp4",
        destination_conn_id="benchmark",
    )
    return lambda: operator.execute({})  # type: ignore[return-value]


def path_stream(source: str, s3: str) -> Callable[[], None]:
    """Stream it into Airflow's own path, unchecked."""
    preload(*S3_MODULES)
    import requests

    from kling_airflow.airflow_compat import ObjectStoragePath

    def run() -> None:
        path = ObjectStoragePath(f"s3://benchmark@{BUCKET}/path.mp4")
        with requests.get(source, stream=True, timeout=60) as response, path.open("wb") as sink:
            shutil.copyfileobj(response.raw, sink, 1 << 20)

    return run


def content_put(source: str, s3: str) -> Callable[[], None]:
    """Take it into memory and put it, as most examples do."""
    import boto3
    import requests

    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **CREDENTIALS)

    def run() -> None:
        response = requests.get(source, timeout=60)
        client.put_object(Bucket=BUCKET, Key="content.mp4", Body=response.content)

    return run


def plain_copy(source: str, s3: str) -> Callable[[], None]:
    """Copy it from the source to the local disk and stop there."""
    import urllib.request

    def run() -> None:
        with urllib.request.urlopen(source, timeout=60) as response, tempfile.TemporaryFile() as sink:
            shutil.copyfileobj(response, sink, 1 << 20)

    return run


VARIANTS: dict[str, Callable[[str, str], Callable[[], None]]] = {
    "kling_airflow: fetched, hashed, checked, stored, poster, sidecar": ours,
    "requests stream into ObjectStoragePath.open()": path_stream,
    "requests, response.content, boto3 put_object": content_put,
    "floor: plain copy over loopback to a local file": plain_copy,
}


def main() -> None:
    """Measure and publish; or, with --variant, be one measured process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    parser.add_argument("addresses", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        print(json.dumps(measured(VARIANTS[arguments.variant](*arguments.addresses))))
        return
    with tempfile.TemporaryDirectory(prefix="bench-landing-") as folder, servers(Path(folder)) as addresses:
        results: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
        for _ in range(arguments.rounds):
            for name, found in results.items():
                found.append(run_variant(name, addresses, Path(folder)))
    rows = [
        (
            name,
            round(MEGABYTES / statistics.median(row["seconds"] for row in found), 1),
            round(max(row["peak"] for row in found), 1),
            round(max(row["peak"] - row["start"] for row in found), 1),
        )
        for name, found in results.items()
    ]
    publish(
        "landing",
        f"A clip of {MEGABYTES} MB from HTTP into S3 (moto's server)",
        ("variant", "MB/s", "peak MB", "above start MB"),
        rows,
        notes=[
            f"MB/s: median of {arguments.rounds} rounds. Memory: worst round; start: after imports.",
            "Source, S3 and variant share the cores: moto's own work is in every row but the floor.",
        ],
    )


def preload(*modules: str) -> None:
    """Import what a variant imports when it runs, so that its memory isn't counted as the transfer's."""
    for module in modules:
        importlib.import_module(module)


def run_variant(name: str, addresses: tuple[str, str], folder: Path) -> dict[str, float]:
    """Run a variant in a process of its own; return what it measured."""
    connection = {
        "conn_type": "aws",
        "login": CREDENTIALS["aws_access_key_id"],
        "password": CREDENTIALS["aws_secret_access_key"],
        "extra": {"endpoint_url": addresses[1], "region_name": "us-east-1"},
    }
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW_CONN_BENCHMARK": json.dumps(connection),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-m", "benchmarks.bench_landing", "--variant", name, *addresses]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    clear(addresses[1])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(run: Callable[[], None]) -> dict[str, float]:
    """Run it once; return seconds, and resident megabytes before and at most."""
    start = memory("VmRSS")
    began = time.perf_counter()
    run()
    return {"seconds": time.perf_counter() - began, "start": start, "peak": memory("VmHWM")}


def memory(field: str) -> float:
    """Return megabytes as Linux counts them: a child's ``ru_maxrss`` begins with its parent's."""
    found = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024 / 1e6


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a source and an S3, each in a process of its own; yield their addresses."""
    make_clip(folder / "clip.mp4")
    ports: Any = multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=serve_file, args=(folder / "clip.mp4", ports), daemon=True),
        multiprocessing.Process(target=serve_s3, args=(ports,), daemon=True),
    ]
    found = []
    for process in processes:
        process.start()
        found.append(f"http://127.0.0.1:{ports.get(timeout=60)}")
    try:
        client(found[1]).create_bucket(Bucket=BUCKET)
        yield found[0] + "/clip.mp4", found[1]
    finally:
        for process in processes:
            process.terminate()
            process.join()


def serve_file(path: Path, ports: Any) -> None:
    """Serve one file, by sendfile, at any path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            self.wfile.flush()
            with path.open("rb") as file:
                self.connection.sendfile(file)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        ports.put(server.server_port)
        server.serve_forever()


def serve_s3(ports: Any) -> None:
    """Serve moto's S3."""
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    ports.put(server.server_port)
    server.serve_forever()


def make_clip(path: Path) -> None:
    """Write a real clip of five seconds, brought to size by an MP4 box that players skip."""
    import av
    from PIL import Image

    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for at in range(121):
            image = Image.new("RGB", (1280, 720), (at * 2, 60, 200))
            image.paste((250, 250, 250), (at * 8, 200, at * 8 + 200, 400))
            for packet in stream.encode(av.VideoFrame.from_image(image)):
                container.mux(packet)
        container.mux(stream.encode())
    missing = MEGABYTES * 1_000_000 - path.stat().st_size
    with path.open("ab") as file:
        file.write(missing.to_bytes(4, "big") + b"free")
        file.write(os.urandom(missing - 8))


def client(s3: str) -> Any:
    """Return a boto3 client for the S3 at that address."""
    import boto3

    return boto3.client("s3", endpoint_url=s3, region_name="us-east-1", **CREDENTIALS)


def clear(s3: str) -> None:
    """Empty the bucket, so that each round begins alike."""
    for item in client(s3).list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client(s3).delete_object(Bucket=BUCKET, Key=item["Key"])


if __name__ == "__main__":
    main()
