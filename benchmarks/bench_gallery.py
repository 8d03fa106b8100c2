"""The gallery's first page of 10,000 clips: from its index, and from a list of the folder and every sidecar.

Each page is asked of Airflow's own API server app, with login and rights. S3 is moto's server, a process of
its own, which is slower than a real one.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks._table import publish

BUCKET = "gallery"
DAGS = [f"dag_{number}" for number in range(8)]
PROMPT = "The rocket rises through the clouds until the sky turns black and fills with galaxies. " * 3
CREDENTIALS = {"aws_access_key_id": "benchmark", "aws_secret_access_key": "benchmark-secret"}
Row = tuple[str, str, float, float | None, float | None]
TARGET_MS = 300
SAMPLE = 1000


def sidecar(number: int) -> dict[str, Any]:
    """Return the sidecar of a clip; one lands every four minutes."""
    landed = datetime(2026, 11, 27, tzinfo=UTC) - timedelta(minutes=4 * number)
    return {
        "version": 1,
        "made_by": "a benchmark",
        "request_id": f"0b8e8a52-54c9-4b3f-9d0e-{number:012d}",
        "model": "kling-v3-image-to-video",
        "asked": {"prompt": f"{number}: {PROMPT}", "duration": 5.0, "sound": True, "frames": []},
        "clip": {
            "uri": f"s3://{BUCKET}/{number:05d}.mp4",
            "sha256": f"{number:064x}",
            "bytes": 5_000_000 + number,
            "duration_seconds": 5.04,
            "width": 1280,
            "height": 720,
            "fps": 24.0,
            "has_audio": True,
        },
        "checks": {"duration": "5.04 s, asked for 5 s", "sound": "has sound, as asked for"},
        "poster": {"uri": "x", "sha256": "a" * 64, "bytes": 1},
        "credentials": None,
        "cost_usd": 1.26,
        "submitted_at": landed.isoformat(),
        "finished_at": landed.isoformat(),
        "landed_at": landed.isoformat(timespec="seconds"),
        "landed_by": {
            "dag_id": DAGS[number % len(DAGS)],
            "run_id": f"scheduled__{landed:%Y-%m-%d}",
            "task_id": "land",
            "map_index": number,
        },
    }


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-gallery-") as home, airflow(Path(home)) as get:
        rows: list[Row] = []
        fill(Path(home) / "gallery", arguments.clips)
        stores = {"file://": (Path(home) / "gallery").as_uri(), "s3://": s3(arguments.clips)}
        for store, address in stores.items():
            os.environ["AIRFLOW__KLING__GALLERY"] = address
            rows += measured(store, address, get, arguments)
    publish(
        "gallery",
        f"The gallery's first page, {arguments.clips:,} clips, milliseconds",
        ("store", "way", "median ms", "worst ms", "CPU ms"),
        rows,
        notes=[
            "Cold: the API server has just started. Packing and the list were done once.",
            f"Of more than {SAMPLE:,} sidecars, {SAMPLE:,} were read and the time multiplied.",
            f"Aim: under {TARGET_MS} ms. Loose files: what landings leave before one of them packs.",
            "CPU: of the API server, login, rights and HTTP included; moto's own is not in it.",
        ],
    )


def measured(store: str, address: str, get: Callable[[str], str], arguments: argparse.Namespace) -> list[Row]:
    """Fill a gallery and return its rows."""
    from kling_airflow.gallery import app
    from kling_airflow.gallery.entry import GalleryEntry
    from kling_airflow.gallery.index import PACK_AT, IndexWriter
    from kling_airflow.gallery.settings import open_gallery
    from kling_airflow.media.sidecar import Sidecar

    folder = open_gallery(address)
    began = time.perf_counter()
    sidecars = sorted(key for key in folder.keys() if key.endswith(".json"))  # noqa: SIM118 -- a list call
    listing = (time.perf_counter() - began) * 1000
    some = sidecars[:SAMPLE]
    reading = timed(lambda: str(len(folder.read_many(some))))[0] * len(sidecars) / len(some)
    entries = [
        GalleryEntry.of(Sidecar(sidecar(number)), f"{number:05d}.mp4") for number in range(arguments.clips)
    ]
    IndexWriter(folder).replace(entries, ())

    def cold(query: str = "") -> tuple[float, float]:
        app._indexes.clear()  # noqa: SLF001 -- as in a server that has just started
        return timed(lambda: get(f"/kling/{query}"))

    get("/kling/")  # the templates are compiled, Airflow's app has answered once
    found = {"index, cold": [cold() for _ in range(arguments.rounds)]}
    get("/kling/")
    found["index, warm"] = [timed(lambda: get("/kling/")) for _ in range(arguments.rounds)]
    found["index, warm, a search"] = [
        timed(lambda: get("/kling/?text=galaxies+11:&state=as+asked")) for _ in range(arguments.rounds)
    ]
    writer = IndexWriter(folder)
    loose = 2 * PACK_AT - 1
    for number in range(arguments.clips, arguments.clips + loose):
        entry = GalleryEntry.of(Sidecar(sidecar(number)), f"{number:05d}.mp4")
        folder.write(f".kling-gallery/1/entries/{entry.key}", json_of(entry))
    found[f"index and {loose} loose files, cold"] = [cold() for _ in range(arguments.rounds)]
    packing, packing_cpu = timed(lambda: str(writer.pack()))
    rows = [(store, way, *middle_and_worst(times)) for way, times in found.items()]
    return [
        *rows,
        (
            store,
            f"packing {loose} loose files (one landing in some dozens)",
            round(packing, 1),
            None,
            round(packing_cpu, 1),
        ),
        (store, "list of the folder, every sidecar read", round(listing + reading, 1), None, None),
    ]


def middle_and_worst(times: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Return median and worst by the clock, and the median of the CPU."""
    clocks = [clock for clock, _ in times]
    cpu = statistics.median(cpu for _, cpu in times)
    return round(statistics.median(clocks), 1), round(max(clocks), 1), round(cpu, 1)


def json_of(entry: Any) -> bytes:
    """Return an entry as the index keeps it."""
    import msgspec

    return msgspec.json.encode(entry)


def fill(folder: Path, clips: int) -> None:
    """Store clips of one byte with sidecars as landings write them."""
    folder.mkdir()
    for number in range(clips):
        (folder / f"{number:05d}.mp4").write_bytes(b"x")
        (folder / f"{number:05d}.json").write_text(json.dumps(sidecar(number), indent=2))


def timed(run: Callable[[], str]) -> tuple[float, float]:
    """Return how many milliseconds something took, by the clock and of this process's CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    run()
    return (time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000


@contextmanager
def airflow(home: Path) -> Iterator[Callable[[str], str]]:
    """Run Airflow's API server app; yield what gets one of its pages as a user who is logged in."""
    os.environ |= {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for a benchmark " * 4,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "_AIRFLOW_PROCESS_CONTEXT": "server",
        "NO_PROXY": "127.0.0.1",
    }
    sys.stdout.flush()
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session
    from fastapi.testclient import TestClient

    logging.disable(logging.WARNING)
    initdb()
    with create_session() as session:
        session.add(DagBundleModel(name="benchmark"))
        session.flush()
        session.add_all(DagModel(dag_id=dag, bundle_name="benchmark", fileloc="/x.py") for dag in DAGS)
    with TestClient(create_app(apps="core"), base_url="http://airflow.test") as client:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="admin", role="ADMIN"))

        def get(address: str) -> str:
            answer = client.get(address, headers={"Cookie": f"_token={token}"})
            assert answer.status_code == 200, answer.text
            assert "<video" in answer.text
            return str(answer.text)

        yield get


def s3(clips: int) -> str:
    """Run an S3 with the clips in it, in a process of its own; return the gallery's address in it."""
    ports: Any = multiprocessing.Queue()
    multiprocessing.Process(target=serve_s3, args=(ports, clips), daemon=True).start()
    url = f"http://127.0.0.1:{ports.get(timeout=600)}"
    connection = {
        "conn_type": "aws",
        "login": CREDENTIALS["aws_access_key_id"],
        "password": CREDENTIALS["aws_secret_access_key"],
        "extra": {"endpoint_url": url, "region_name": "us-east-1"},
    }
    os.environ["AIRFLOW_CONN_BENCHMARK"] = json.dumps(connection)
    return f"s3://benchmark@{BUCKET}"


def serve_s3(ports: Any, clips: int) -> None:
    """Serve S3 from memory until the process ends. The clips are put there without calls."""
    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket(BUCKET, "us-east-1")
    for number in range(clips):
        backend.put_object(BUCKET, f"{number:05d}.mp4", b"x")
        backend.put_object(BUCKET, f"{number:05d}.json", json.dumps(sidecar(number), indent=2).encode())
    ports.put(server.get_host_and_port()[1])
    time.sleep(86_400)


if __name__ == "__main__":
    main()
