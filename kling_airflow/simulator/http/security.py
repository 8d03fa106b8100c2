"""Refuses calls that a web page of another site sends, and confines the simulator's own page.

The simulator has no login. A page of another site could therefore order faults, or read the ledger through a
host name that leads to this machine (DNS rebinding). So a call must name a host of the simulator, and a write
must not come from another origin.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kling_airflow.simulator.queue.refusal import Refusal

if TYPE_CHECKING:
    from starlette.types import Scope

    from kling_airflow.simulator.settings import Settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})
SIMPLE_TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
"""Content types that a page of another origin can send without asking first."""
ADMIN = "/_simulator"
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]*)?")


def allowed_hosts(settings: Settings, host: str) -> frozenset[str]:
    """Return the host names under which the simulator may be called.

    :param host: the address that the simulator listens on.
    """
    named = {urlsplit(settings.public_url or "").hostname or "", *settings.allowed_hosts, host}
    return LOOPBACK | {name.lower().rstrip(".") for name in named if name}


def refusal_of(scope: Scope, hosts: frozenset[str]) -> Refusal | None:
    """Return the refusal of a call that does not belong here, or None.

    :param hosts: as `allowed_hosts` returns them; the address that the call reached is allowed as well.
    """
    named = [value.decode("latin-1") for header, value in scope["headers"] if header == b"host"]
    host = named[0] if len(named) == 1 else ""
    name = _host_name(host)
    reached = scope["server"][0] if scope.get("server") else ""
    if name not in hosts and name != reached:
        return Refusal(
            421,
            f"The simulator does not serve the host {name or '(none)'}. Nothing was done or billed. "
            "Call the simulator by its own address, or add the host to the setting allowed_hosts.",
        )
    if scope["method"] not in READS and _from_elsewhere(scope, host):
        return Refusal(
            403,
            "A web page of another origin sent this call. Nothing was done, nothing was billed. "
            "Send the call from the simulator's own page or from a program.",
        )
    return None


def page_headers(page: str) -> dict[str, str]:
    """Return the headers of the simulator's page: its own script and style run, and nothing else.

    :param page: the HTML, with its `<script>` and its `<style>` inline.
    """
    script, style = (_hash(page, tag) for tag in ("script", "style"))
    policy = {
        "default-src": "'none'",
        "script-src": script,
        "style-src": style,
        "connect-src": "'self'",
        "media-src": "'self'",
        "img-src": "'self' data: http: https:",  # a frame given as a URL is shown from its own address
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


def _host_name(host: str) -> str:
    """Return the name in a Host header, in lower case, without port, brackets and a final dot; "" is none."""
    match = HOST.fullmatch(host)
    return match.group(1).lower().strip("[]").rstrip(".") if match else ""


def _from_elsewhere(scope: Scope, host: str) -> bool:
    """Return whether a browser says that a page of another origin sent the call."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    if origins:
        return any(_netloc(origin) != host.lower() for origin in origins)
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    simple = headers.get("content-type", "text/plain").partition(";")[0].strip().lower() in SIMPLE_TYPES
    referer = headers.get("referer")
    return (
        scope["path"].startswith(ADMIN)
        and simple
        and referer is not None
        and _netloc(referer) != host.lower()
    )


def _netloc(url: str) -> str | None:
    try:
        return urlsplit(url).netloc.lower() or None
    except ValueError:
        return None


def _hash(page: str, tag: str) -> str:
    inline = re.search(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
    text = inline.group(1) if inline else ""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
