"""The body of a submission: reading it, and the digest of its payload."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kling_airflow.simulator.queue.refusal import Refusal


def parse_submission(body: bytes) -> tuple[str, dict[str, Any], str | None]:
    """Return the model id, the payload, and the webhook's address of a submission's body.

    The vendor documents `"webhook": {"url": ...}` beside `payload`; one inside the payload is taken, too.

    :raises Refusal: 400; no user has recorded the texts.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid request body: not JSON") from error
    if not isinstance(content, dict) or not isinstance(content.get("model"), str) or not content["model"]:
        raise Refusal(400, "invalid request body: model (Required parameter is missing)")
    if not isinstance(content.get("payload"), dict):
        raise Refusal(400, "invalid request body: payload (Required parameter is missing)")
    payload = content["payload"]
    return content["model"], payload, _webhook(content.get("webhook") or payload.get("webhook"))


def _webhook(value: Any) -> str | None:
    url = value.get("url") if isinstance(value, dict) else value
    return url if isinstance(url, str) and url.lower().startswith(("http://", "https://")) else None


def payload_digest(payload: dict[str, Any]) -> str:
    """Return the SHA-256 of a payload's canonical JSON: sorted keys, no spaces."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
