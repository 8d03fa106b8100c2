"""The names of the calls, as the ledger, the metrics and the faults use them."""

from __future__ import annotations

from kling_airflow.simulator.queue.records import MEDIA_FOLDER
from kling_airflow.simulator.queue.uploads import FOLDER

CONSOLE_QUEUE = "/api/v1/ie/requestqueue"
QUEUE = CONSOLE_QUEUE + "/apikey"

SUBMIT = "POST /requests"
LIST = "GET /requests"
GET = "GET /requests/{id}"
CANCEL = "DELETE /requests/{id}"
MODELS = "GET /models"
MODEL = "GET /models/{id}"
UPLOAD_URL = "POST /upload-url"
PUT_UPLOAD = "PUT upload"
GET_UPLOAD = "GET upload"
MEDIA = "GET media"

WITH_KEY = (SUBMIT, LIST, GET, CANCEL, MODELS, MODEL, UPLOAD_URL)
"""The calls of the queue itself, which need an API key."""
ALL = (SUBMIT, LIST, GET, CANCEL, MODELS, MODEL, UPLOAD_URL, PUT_UPLOAD, GET_UPLOAD, MEDIA)
_QUEUE_CALLS = {
    ("POST", "requests", 1): SUBMIT,
    ("GET", "requests", 1): LIST,
    ("GET", "requests", 2): GET,
    ("DELETE", "requests", 2): CANCEL,
    ("GET", "models", 1): MODELS,
    ("GET", "models", 2): MODEL,
    ("POST", "upload-url", 1): UPLOAD_URL,
}


def name_of(method: str, path: str) -> str | None:
    """Return a call's name, or None if the path is no call of the service."""
    root = QUEUE if path.startswith(QUEUE + "/") else CONSOLE_QUEUE
    if path.startswith(root + "/"):
        parts = path[len(root) + 1 :].split("/")
        return _QUEUE_CALLS.get((method, parts[0], len(parts)))
    method = "GET" if method == "HEAD" else method
    if path.startswith(MEDIA_FOLDER):
        return MEDIA if method == "GET" else None
    if path.startswith(FOLDER):
        return {"GET": GET_UPLOAD, "PUT": PUT_UPLOAD}.get(method)
    return None
