"""A person who may only trigger a DAG reaches nothing that the DAG's code or a setting doesn't name."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.airflow_compat import DAG, ObjectStoragePath
from kling_airflow.errors import DownloadFailed
from kling_airflow.exceptions import DownloadRefused, InvalidArgument
from kling_airflow.hooks.allowed_addresses import WrittenPlaces, http_guard
from kling_airflow.media.download import DownloadLimits, read_url
from kling_airflow.media.http_connection import check_host, is_public
from kling_airflow.operators.frames import PrepareFrameOperator
from tests.dag_runs import run_dag
from tests.media.file_server import FileServer, status
from tests.media.pictures import ROCKET

LIMITS = DownloadLimits(max_bytes=1_000_000, deadline=10, attempts=1)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(ROCKET.read_bytes()).running() as running:
        yield running


def prepare(
    source: Any, destination: Any, *, code_source: Any = "{{ params.s }}", code_destination: Any = None
) -> Any:
    """Run the operator as a DAG with these texts in its code renders it."""
    with DAG("confined", schedule=None):
        operator = PrepareFrameOperator(
            task_id="frame", source=code_source, destination=code_destination or destination, format="jpeg"
        )
    operator.source, operator.destination = source, destination
    return operator.execute({})


@pytest.mark.parametrize(
    "source",
    [
        "file:///etc/hostname",
        "FILE:///etc/hostname",
        "local:///etc/hostname",
        "ftp://127.0.0.1/x.jpg",
        "github://o:r@/x.jpg",
        "memory://x/x.jpg",
        "simplecache::http://127.0.0.1/x.jpg",
        "s3://some_connection@bucket/x.jpg",
        "http+unix://x/y.jpg",
    ],
)
def test_a_source_that_came_from_data_is_confined(source: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        prepare(source, (tmp_path / "x.jpg").as_uri())
    said = str(caught.value)
    assert "`[kling] allowed_sources` does not allow it" in said or "with a password in it" in said
    assert "No money was spent." in said


def test_the_refusal_names_the_line_to_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "rocket.jpg"
    source.write_bytes(ROCKET.read_bytes())
    target = (tmp_path / "x.jpg").as_uri()
    with pytest.raises(InvalidArgument) as caught:
        prepare(source.as_uri(), target)
    line = str(caught.value).partition("AIRFLOW__KLING__ALLOWED_SOURCES='")[2].partition("'")[0]
    assert line.endswith(f" file://{tmp_path}")
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", line)
    assert prepare(source.as_uri(), target)["format"] == "jpeg"


def test_a_destination_that_came_from_data_is_confined(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = (tmp_path / "new" / "x.jpg").as_uri()
    with pytest.raises(InvalidArgument, match=r"`\[kling\] allowed_destinations` does not allow it"):
        prepare(server.url, target, code_source=server.url, code_destination="{{ params.d }}")
    assert server.requests == []
    assert not (tmp_path / "new").exists()
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_DESTINATIONS", f"file://{tmp_path}")
    assert (
        prepare(server.url, target, code_source=server.url, code_destination="{{ params.d }}")["uri"]
        == target
    )


@pytest.mark.parametrize(
    "name", ["manual__2026-11-28T05:20:04+00:00", "2026-11-28", "20261128", "run_20261128"]
)
def test_the_line_of_a_refusal_allows_the_next_run_as_well(
    name: str, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = (tmp_path / "clips" / name / "frames" / "x.jpg").as_uri()
    with pytest.raises(InvalidArgument) as caught:
        prepare(server.url, target, code_source=server.url, code_destination="{{ params.d }}")
    line = str(caught.value).partition("AIRFLOW__KLING__ALLOWED_DESTINATIONS='")[2].partition("'")[0]
    assert line.endswith(f" file://{tmp_path}/clips")


@pytest.mark.parametrize("kind", [str, Path, ObjectStoragePath])
def test_a_place_in_the_dags_code_is_trusted(kind: type, tmp_path: Path) -> None:
    source = tmp_path / "rocket.jpg"
    source.write_bytes(ROCKET.read_bytes())
    given = source if kind is Path else kind(source.as_uri())
    assert prepare(given, (tmp_path / "x.jpg").as_uri(), code_source=given)["format"] == "jpeg"


def test_a_private_host_is_refused_after_its_name_was_resolved(server: FileServer, tmp_path: Path) -> None:
    url = server.url.replace("127.0.0.1", "localhost")
    for source in (server.url, url, server.url.replace("127.0.0.1", "2130706433")):
        with pytest.raises(DownloadRefused, match="which is private or link-local"):
            prepare(source, (tmp_path / "x.jpg").as_uri())
    assert server.requests == []


def test_a_name_that_can_not_be_resolved_is_not_looked_up_again(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look-up could find the private address that the first one hid."""
    port = server.url.partition("127.0.0.1:")[2].partition("/")[0]
    resolve, asked = socket.getaddrinfo, []

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        return resolve("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(DownloadFailed):
        read_url(f"http://no-such-host.invalid:{port}/x", LIMITS, guard=http_guard("source", ()))
    assert asked == []
    assert server.requests == []


def test_a_private_host_that_a_setting_names_is_read(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "http://127.0.0.1")
    assert prepare(server.url, (tmp_path / "x.jpg").as_uri())["format"] == "jpeg"


@pytest.mark.parametrize(
    "location", ["http://localhost:{port}/x", "http://[::1]:{port}/x", "http://0.0.0.0:{port}/x"]
)
def test_a_redirect_to_a_private_host_is_refused_though_the_first_one_is_trusted(
    server: FileServer, tmp_path: Path, location: str
) -> None:
    port = server.url.partition("127.0.0.1:")[2].partition("/")[0]
    server.faults = [status(302, Location=location.format(port=port))]
    with pytest.raises(DownloadRefused, match="which is private or link-local"):
        prepare(server.url, (tmp_path / "x.jpg").as_uri(), code_source=server.url)
    assert len(server.requests) == 1


def test_a_redirect_is_confined_as_the_first_address_is(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "http://127.0.0.1/clip.mp4")
    server.faults = [status(302, Location="/private/x")]
    with pytest.raises(Exception, match="`source` is http://127.0.0.1:.*/private/x"):
        read_url(server.url, LIMITS, guard=http_guard("source", ()))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("ip", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("::127.0.0.1", False),
        ("64:ff9b:1::a00:1", False),
        ("::ffff:0:10.0.0.1", False),
        ("2606:4700::5efe:10.0.0.1", False),
        ("fec0::1", False),
    ],
)
def test_public_and_private_addresses(ip: str, public: bool) -> None:
    assert is_public(ip) is public


def test_one_private_address_of_several_is_enough_to_refuse() -> None:
    def resolve(host: str, port: int, **options: Any) -> list[Any]:
        return [(2, 1, 6, "", ("8.8.8.8", port)), (2, 1, 6, "", ("10.0.0.1", port))]

    with pytest.raises(DownloadFailed, match=r"has the address 10\.0\.0\.1") as caught:
        check_host("host.example", 443, "name it", resolve=resolve)
    assert not caught.value.retryable


CHAIN = """
from airflow import DAG
from tests.airflow_versions import task
from kling_airflow.operators.frames import PrepareFrameOperator

with DAG("DAG_ID", schedule=None, params={"folder": "FOLDER"}):
    first = PrepareFrameOperator(
        task_id="first", source="file://FOLDER/rocket.jpg", destination="file://FOLDER/{{ run_id }}/a.jpg"
    )
    PrepareFrameOperator(task_id="by_xcom", source=first.output["uri"], destination="file://FOLDER/b.jpg")
    PrepareFrameOperator(task_id="whole", source=first.output, destination="file://FOLDER/c.jpg")
    PrepareFrameOperator.partial(
        task_id="mapped", destination="file://FOLDER/m{{ ti.map_index }}.jpg"
    ).expand(source=["file://FOLDER/rocket.jpg", first.output])

    @task
    def rows():
        return [{"source": "file://FOLDER/rocket.jpg"}]

    PrepareFrameOperator.partial(
        task_id="data", destination="file://FOLDER/d{{ ti.map_index }}.jpg"
    ).expand_kwargs(rows())
    PrepareFrameOperator(
        task_id="param", source="file://{{ params.folder }}/rocket.jpg", destination="file://FOLDER/p.jpg"
    )
"""


@pytest.mark.parametrize("allowed", [False, True])
def test_in_a_dag_code_and_frames_of_its_own_tasks_are_trusted_and_data_is_not(
    dags_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    (tmp_path / "rocket.jpg").write_bytes(ROCKET.read_bytes())
    if allowed:
        monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", f"file://{tmp_path}")
    dag_id = "chain_allowed" if allowed else "chain_confined"
    run = run_dag(dags_folder, dag_id, CHAIN.replace("FOLDER", str(tmp_path)).replace("DAG_ID", dag_id))
    trusted = {"first", "by_xcom", "whole", "mapped[0]", "mapped[1]", "rows"}
    states = dict.fromkeys(trusted, "success") | dict.fromkeys(
        ("data[0]", "param"), "success" if allowed else "failed"
    )
    assert run.states == states
    kept = (tmp_path / "b.jpg").read_bytes()
    assert hashlib.sha256(kept).hexdigest() == run.result("by_xcom")["sha256"]


def test_outside_of_a_dag_a_mapped_instance_trusts_nothing() -> None:
    class Mapped:
        _BaseOperator__from_mapped = True
        task_id, dag = "x", None

    assert WrittenPlaces(Mapped(), source="file:///data/x.png").of("source") == ()
