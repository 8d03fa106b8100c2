"""A page of another site can neither read nor change the simulator."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.simulator import Settings, Simulator
from kling_airflow.simulator.http.security import allowed_hosts, refusal_of
from tests.simulator.client import GOOD, MODEL, Queue
from tests.simulator.fixture_types import Started

EVIL = "https://evil.example"
WRITES = [
    ("POST", "/_simulator/faults", b'{"name": "capacity"}'),
    ("POST", "/_simulator/reset", b""),
    ("DELETE", "/_simulator/faults", b""),
    ("POST", "/_simulator/keys/rotate", b'{"name": "default", "new_key": "k"}'),
    ("POST", "/api/v1/ie/requestqueue/apikey/requests", b"{}"),
]
FOREIGN = [
    {"Origin": EVIL},
    {"Origin": EVIL, "Content-Type": "text/plain"},
    {"Origin": EVIL, "Content-Type": "application/json"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://[::1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Content-Type": "text/plain"},
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
@pytest.mark.parametrize("headers", FOREIGN)
def test_write_from_another_origin_is_refused(
    sim: Simulator, queue: Queue, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    queue.submit("kling-v3-text-to-video", prompt="p")
    fault_id = sim.faults.add("list-empty")
    answer = requests.request(method, sim.base_url + path, data=body, headers=headers, timeout=5)
    assert answer.status_code == 403
    assert "another origin" in answer.json()["error"]
    assert [fault["id"] for fault in sim.faults.list()] == [fault_id]
    assert (len(sim.ledger()), sim.api_key) == (1, "gmi-simulator-key")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "Text/Plain;x=y", ""],
)
def test_simple_write_with_a_foreign_referer_is_refused(sim: Simulator, content_type: str) -> None:
    headers = {"Referer": f"{EVIL}/page"} | ({"Content-Type": content_type} if content_type else {})
    answer = requests.post(f"{sim.base_url}/_simulator/reset", headers=headers, timeout=5)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json"},
        {"Origin": "{base_url}", "Sec-Fetch-Site": "same-origin"},
        {"Referer": "{base_url}/_simulator/", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_write_from_a_program_or_from_the_own_page_is_accepted(
    sim: Simulator, headers: dict[str, str]
) -> None:
    sent = {name: value.format(base_url=sim.base_url) for name, value in headers.items()}
    answer = requests.post(
        f"{sim.base_url}/_simulator/faults", data=b'{"name": "capacity"}', headers=sent, timeout=5
    )
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/_simulator/",
        "/_simulator/ledger",
        "/openapi.json",
        "/gmi-user-uploads/x.png",
        "/api/v1/me/profile",
    ],
)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "x@y",
        "[::1",
    ],
)
def test_foreign_host_is_refused(sim: Simulator, path: str, host: str) -> None:
    port = sim.base_url.rpartition(":")[2]
    answer = requests.get(sim.base_url + path, headers={"Host": host.format(port=port)}, timeout=5)
    assert answer.status_code == 421
    assert "does not serve the host" in answer.json()["error"]


def test_foreign_host_creates_nothing(sim: Simulator, queue: Queue) -> None:
    answer = queue.post(GOOD, headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert (sim.ledger(), sim.calls()) == ([], {})


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "localhost."]
)
def test_own_hosts_are_accepted(sim: Simulator, queue: Queue, host: str) -> None:
    port = sim.base_url.rpartition(":")[2]
    assert queue.call("GET", "/models", headers={"Host": host.format(port=port)}).status_code == 200


def test_allowed_hosts(started: Started) -> None:
    _, queue = started(allowed_hosts=["simulator.internal"], public_url="https://gmi.example/")
    for host, status in (("simulator.internal:8787", 200), ("gmi.example", 200), ("other.internal", 421)):
        assert queue.call("GET", "/models", headers={"Host": host}).status_code == status


def test_address_that_was_reached_is_accepted() -> None:
    with Simulator(host="0.0.0.0", render="fast") as simulator:
        queue = Queue(simulator.base_url.replace("127.0.0.1", "127.0.0.2"), simulator.api_key)
        assert queue.call("GET", "/models").status_code == 200


@given(
    host=st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30)
    | st.from_regex(r"(localhost|127\.0\.0\.1|\[::1\]).{0,8}", fullmatch=True).filter(str.isascii)
)
def test_no_other_host_is_accepted(host: str) -> None:
    """Any text in the Host header is refused, but for the names of the loopback interface."""
    hosts = allowed_hosts(Settings(), "127.0.0.1")
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", host.encode("latin-1"))],
        "server": ("127.0.0.1", 80),
    }
    if refusal_of(scope, hosts) is None:
        assert re.fullmatch(r"(localhost|127\.0\.0\.1|\[::1\])\.*(:[0-9]*)?", host, flags=re.IGNORECASE)


def test_page_runs_its_own_script_and_style_only(sim: Simulator) -> None:
    answer = requests.get(f"{sim.base_url}/_simulator/", timeout=5)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == (
        "'none'",
        "'self'",
        "'none'",
    )
    assert "unsafe" not in answer.headers["content-security-policy"]
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert " style=" not in answer.text
    assert not re.search(r"\son\w+=", answer.text), "no inline handler, which the policy would stop"


def test_root_leads_to_the_page(sim: Simulator) -> None:
    answer = requests.get(sim.base_url, timeout=5)
    assert answer.url == f"{sim.base_url}/_simulator/"
    assert "<title>Request queue, simulated</title>" in answer.text


def test_key_is_on_no_page(sim: Simulator, queue: Queue) -> None:
    queue.submit(prompt="<img src=x onerror=alert(1)>")
    for path in ("/_simulator/", "/_simulator/overview", "/_simulator/ledger", "/_simulator/faults"):
        assert sim.api_key not in requests.get(sim.base_url + path, timeout=5).text


@pytest.mark.parametrize(
    "path",
    [
        "/gmi-user-uploads/../../../../etc/passwd",
        "/gmi-user-uploads/..%2f..%2fetc%2fpasswd",
        "/_simulator/frames/../../etc/passwd",
        "/gmi-video-assests-prod/..%2f..%2fetc/passwd",
    ],
)
def test_no_file_of_the_machine_can_be_read(sim: Simulator, path: str) -> None:
    request = requests.Request("GET", sim.base_url).prepare()
    request.url = sim.base_url + path
    answer = requests.Session().send(request, timeout=5)
    assert answer.status_code in (200, 404)
    assert "root:" not in answer.text


def test_upload_of_another_type_is_refused(queue: Queue) -> None:
    assert queue.call("POST", "/upload-url", json={"file_type": "../../x"}).status_code == 400
    assert MODEL in queue.call("GET", "/models").text


@pytest.mark.parametrize("origins", [("{own}", EVIL), (EVIL, "{own}")])
def test_one_foreign_origin_of_several_is_enough_to_refuse(sim: Simulator, origins: tuple[str, str]) -> None:
    host, port = sim.base_url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    connection.putrequest("POST", "/_simulator/reset")
    for origin in origins:
        connection.putheader("Origin", origin.format(own=sim.base_url))
    connection.putheader("Content-Length", "0")
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()
