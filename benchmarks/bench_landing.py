"""Landing: MB/s and peak memory, for a clip of 200 MB into S3 and for 50 clips of 8 MB, against floors.

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
from benchmarks.landing_many import (
    CLIP_MEGABYTES,
    CLIPS,
    copies,
    copies_to_s3,
    landings,
    make_real_clip,
)

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


def many(to: str) -> Callable[[str, str], Callable[[], None]]:
    """Return what lands 50 clips: in S3, or on the local disk."""

    def variant(source: str, s3: str) -> Callable[[], None]:
        preload("av", "PIL.Image", "PIL.ImageStat", "requests", *S3_MODULES)
        folder = tempfile.mkdtemp(prefix="bench-landed-")
        destination = f"s3://{BUCKET}/many" if to == "s3" else Path(folder).as_uri()
        if to == "s3":
            open_client(destination)
        run = landings(source, destination)

        def landed() -> None:
            try:
                run()
            finally:
                shutil.rmtree(folder)

        return landed

    return variant


def open_client(destination: str) -> None:
    """Let s3fs read botocore's description of S3, which the floor's client has read before it is measured."""
    from kling_airflow.hooks.storage import StoredObject

    StoredObject(f"{destination}/none", conn_id="benchmark").size()


def plain_copies(source: str, s3: str) -> Callable[[], None]:
    """Copy 50 clips with sha256."""
    return copies(source)


def decoded_copies(source: str, s3: str) -> Callable[[], None]:
    """Copy 50 clips with sha256, and decode every picture."""
    preload("av")
    return copies(source, decode=True)


def s3_copies(source: str, s3: str) -> Callable[[], None]:
    """Copy 50 clips with sha256 into S3."""
    return copies_to_s3(source, client(s3), BUCKET)


MANY: dict[str, Callable[[str, str], Callable[[], None]]] = {
    "floor: copied with sha256 over loopback": plain_copies,
    "the same, every picture decoded once": decoded_copies,
    "kling_airflow: landed on the local disk": many("disk"),
    "floor: copied with sha256, put into S3": s3_copies,
    "kling_airflow: landed in S3": many("s3"),
}
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
    parser.add_argument("--only", choices=("one", "many"), help="one large clip, or many small ones")
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    parser.add_argument("addresses", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        run = (VARIANTS | MANY)[arguments.variant](*arguments.addresses)
        print(json.dumps(measured(run)))
        return
    if arguments.only != "many":
        one_large_clip(arguments.rounds)
    if arguments.only != "one":
        many_small_clips(arguments.rounds)


def one_large_clip(rounds: int) -> None:
    """Measure and publish a clip of 200 MB."""
    results = measure(VARIANTS, make_clip, rounds)
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
            f"MB/s: median of {rounds} rounds. Memory: worst round; start: after imports.",
            "Source, S3 and variant share the cores: moto's own work is in every row but the floor.",
        ],
    )


def many_small_clips(rounds: int) -> None:
    """Measure and publish 50 clips of 8 MB."""
    results = measure(MANY, make_real_clip, rounds)
    floor = min(row["seconds"] for row in results[next(iter(MANY))])
    whole = CLIPS * CLIP_MEGABYTES
    rows = [
        (
            name,
            round(whole / min(row["seconds"] for row in found), 1),
            f"{floor / min(row['seconds'] for row in found):.2f}",
            round(1000 * min(row["cpu"] for row in found) / CLIPS, 1),
            round(max(row["peak"] - row["start"] for row in found), 1),
        )
        for name, found in results.items()
    ]
    publish(
        "landing_many",
        f"{CLIPS} clips of {CLIP_MEGABYTES} MB (5 s, 1280 x 720), one after the other",
        ("variant", "MB/s", "of the floor", "CPU ms a clip", "MB above imports"),
        rows,
        notes=[
            f"MB/s and CPU: best of {rounds} rounds that alternate. Memory: worst round.",
            f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
            "Both rows of S3 begin with a client: botocore's description of S3 is 17 MB.",
            "A landing decodes every picture and makes a poster; a copy can't say whether a clip is whole.",
        ],
    )


def measure(
    variants: dict[str, Callable[[str, str], Callable[[], None]]],
    make: Callable[[Path], None],
    rounds: int,
) -> dict[str, list[dict[str, float]]]:
    """Run each variant so often, in turns; return what each run measured.

    :param make: writes the clip that the source serves.
    """
    with tempfile.TemporaryDirectory(prefix="bench-landing-") as name:
        folder = Path(name)
        make(folder / "clip.mp4")
        with servers(folder) as addresses:
            results: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
            for _ in range(rounds):
                for name, found in results.items():
                    found.append(run_variant(name, addresses, folder))
    return results


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
    """Run it once; return seconds, those of the CPU, and resident megabytes before and at most."""
    start = memory("VmRSS")
    began, cpu = time.perf_counter(), time.process_time()
    run()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "start": start, "peak": memory("VmHWM")}


def memory(field: str) -> float:
    """Return megabytes as Linux counts them: a child's ``ru_maxrss`` begins with its parent's."""
    found = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024 / 1e6


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a source and an S3, each in a process of its own; yield their addresses."""
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
    store = client(s3)
    for item in store.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        store.delete_object(Bucket=BUCKET, Key=item["Key"])


if __name__ == "__main__":
    main()
