"""The API of GMI Cloud's request queue. It is used and tested without Airflow.

::

    with GMIClient(api_key) as client:
        frame = client.upload(Path("rocket.jpg").read_bytes(), "jpeg")
        payload = {"prompt": "The rocket rises", "image": frame, "duration": "5", "sound": "off"}
        request = client.submit("kling-v3-image-to-video", payload)
        print(client.get(request.request_id).status)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.gmi.async_client import AsyncGMIClient
    from kling_airflow.gmi.call import Call, CallKind, Timeouts
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.gmi.outcome import Outcome
    from kling_airflow.gmi.protocol import Protocol
    from kling_airflow.gmi.request import Page, Request, Status
    from kling_airflow.gmi.response import Response
    from kling_airflow.gmi.retries import Retries

__all__ = [
    "AsyncGMIClient",
    "Call",
    "CallKind",
    "GMIClient",
    "Outcome",
    "Page",
    "Protocol",
    "Request",
    "Response",
    "Retries",
    "Status",
    "Timeouts",
]

_HOME = {
    "AsyncGMIClient": "async_client",
    "Call": "call",
    "CallKind": "call",
    "GMIClient": "client",
    "Outcome": "outcome",
    "Page": "request",
    "Protocol": "protocol",
    "Request": "request",
    "Response": "response",
    "Retries": "retries",
    "Status": "request",
    "Timeouts": "call",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
