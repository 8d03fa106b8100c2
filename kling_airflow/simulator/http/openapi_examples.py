"""The bodies and answers in `/openapi.json`, with examples."""

from __future__ import annotations

from typing import Any

_ID = "5f0f6f0e-3c1b-4a53-9b55-6f1f8d0e9c11"
_TIMES = {"created_at": 1760000000, "updated_at": 1760000000, "queued_at": 1760000000}
_PAYLOAD = {
    "prompt": "The rocket lifts off",
    "image": "https://example.com/rocket.jpg",
    "duration": "5",
    "sound": "on",
}
_MODEL = "kling-v3-image-to-video"
_CLIP = f"http://127.0.0.1:8787/gmi-video-assests-prod/{_ID}.mp4"


def _answers(description: str, example: Any, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {200: {"description": description, "content": content}}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": required | optional}


def _body(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


_STRING = {"type": "string"}
_INTEGER = {"type": "integer"}
_STATUS = {
    "type": "string",
    "enum": ["created", "queued", "dispatched", "processing", "success", "failed", "cancelled"],
}
_SUBMITTED_SCHEMA = _object(
    {
        "request_id": {"type": "string", "format": "uuid"},
        "model": _STRING,
        "status": _STATUS,
        "created_at": _INTEGER,
        "updated_at": _INTEGER,
        "queued_at": _INTEGER,
    }
)
_RECORD_SCHEMA = _object(
    {
        **_SUBMITTED_SCHEMA["properties"],
        "org_id": _STRING,
        "user_id": _STRING,
        "is_public": {"type": "boolean"},
        "payload": {"type": "object"},
        "outcome": {"type": ["object", "null"]},
    },
    qworker_id=_STRING,
)
_RECORD = {
    "request_id": _ID,
    "org_id": "org-simulator",
    "user_id": "user-simulator",
    "model": _MODEL,
    "status": "success",
    "is_public": False,
    "payload": _PAYLOAD,
    "outcome": {
        "media_urls": [{"id": "0", "url": _CLIP}],
        "thumbnail_image_url": _CLIP.replace(".mp4", ".jpg"),
    },
    **_TIMES,
}
_ERROR_SCHEMA = _object({"error": {"oneOf": [_STRING, _object({"message": _STRING}, details={})]}})

SUBMIT_BODY = _body(
    _object({"model": _STRING, "payload": {"type": "object"}}), {"model": _MODEL, "payload": _PAYLOAD}
)
SUBMITTED = _answers(
    "Accepted; a synchronous model answers with its terminal record",
    {"request_id": _ID, "model": _MODEL, "status": "queued", **_TIMES},
    {"oneOf": [_RECORD_SCHEMA, {**_SUBMITTED_SCHEMA, "additionalProperties": False}]},
)
RECORD = _answers("The record", _RECORD, _RECORD_SCHEMA)
LISTED = _answers(
    "One page, newest first",
    {"requests": [_RECORD], "total": 1, "has_more": False},
    _object(
        {
            "requests": {"type": "array", "items": _RECORD_SCHEMA},
            "total": _INTEGER,
            "has_more": {"type": "boolean"},
        }
    ),
)
MODELS = _answers(
    "The models' ids",
    {"model_ids": [_MODEL, "kling-v3-text-to-video"]},
    _object({"model_ids": {"type": "array", "items": _STRING}}),
)
MODEL = _answers(
    "The model",
    {
        "model": _MODEL,
        "org_id": "org-simulator",
        "status": "active",
        "model_type": "video",
        "delivery_mode": "async",
        "brief_description": "A still frame turned into a clip.",
        "modalities": {
            "input": [{"type": "text", "required": True}, {"type": "image", "required": False}],
            "output": [{"type": "video", "required": True}],
        },
        "parameters": [
            {
                "name": "duration",
                "display_name": "Duration",
                "description": "The duration.",
                "type": "enum",
                "required": False,
                "default_value": "5",
                "options": ["3", "4", "5"],
                "min_value": None,
                "max_value": None,
            }
        ],
        "price_info": {"price": 168000, "pricing_type": "per_second", "unit": "second"},
        "pricing_details": "$0.168 per second",
    },
    _object({"model": _STRING, "parameters": {"type": "array"}, "price_info": {"type": "object"}}),
)
UPLOAD_BODY = _body(
    _object({"file_type": {"type": "string", "enum": ["png", "jpeg", "jpg", "mp4", "wav", "mp3"]}}),
    {"file_type": "png"},
)
UPLOAD = _answers(
    "Where to PUT the file, and where it can be read",
    {
        "upload_url": "http://127.0.0.1:8787/gmi-user-uploads/0a1b.png?X-Goog-Signature=...",
        "public_url": "http://127.0.0.1:8787/gmi-user-uploads/0a1b.png",
    },
    _object({"upload_url": _STRING, "public_url": _STRING}),
)


ANYTHING = _answers("What there is", {}, {"type": "object"})
LEDGER = _answers(
    "The ledger",
    {
        "requests": [
            {
                "request_id": _ID,
                "key_name": "default",
                "organization": "org-simulator",
                "model": _MODEL,
                "payload_digest": "9b1f",
                "created_at": 1760000000.25,
                "finished_at": 1760000165.5,
                "billed": True,
                "amount_microusd": 1260000,
                "amount_usd": 1.26,
                "outcome": "success",
                "error": None,
                "calls": {"POST /requests": 1, "GET /requests/{id}": 12},
            }
        ]
    },
    _object({"requests": {"type": "array", "items": {"type": "object"}}}),
)
FAULT_BODY = _body(
    _object({"name": _STRING}, times=_INTEGER, probability={"type": "number"}),
    {"name": "rate-limited", "times": 2, "retry_after": 1},
)
ROTATION_BODY = _body(
    _object({"name": _STRING, "new_key": _STRING}), {"name": "default", "new_key": "gmi-simulator-key-2"}
)
FAULT: dict[int | str, dict[str, Any]] = {
    201: _answers(
        "In force", {"id": "rate-limited-1", "name": "rate-limited", "struck": 0}, {"type": "object"}
    )[200]
}
METRICS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Prometheus' text format",
        "content": {
            "text/plain": {"example": 'gmi_simulator_calls_total{call="POST /requests",status="200"} 3'}
        },
    }
}


def _refusal(description: str, text: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _ERROR_SCHEMA, "example": {"error": text}}}
    return {"description": description, "content": content}


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: _refusal("Refused", "invalid payload parameters: image (Required parameter is missing)"),
    401: _refusal("No key, or an unknown one", "Invalid API key"),
    402: _refusal("No credit", "Insufficient credits. Please add more credits to your account."),
    403: _refusal("Another organization's key", "API key does not belong to this organization"),
    404: _refusal("No such model or request", "model kling-v4 does not exist"),
    405: _refusal("Not here", "method not allowed"),
    409: _refusal("Too late", "request is already success"),
    413: _refusal("Too large", "request body too large"),
    429: _refusal("Too often", "Rate limit exceeded. Please try again later."),
    500: _refusal("The upstream vendor refused", "Backend error (400). Please try again."),
}

BAD_QUERY: dict[int | str, dict[str, Any]] = {400: REFUSALS[400]}


def _file(status: str, media_type: str) -> dict[str, Any]:
    schema = {"type": "string", "format": "binary"}
    return {"description": status, "content": {media_type: {"schema": schema}}}


_XML = "application/xml; charset=UTF-8"
PUT_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "Kept"},
    400: _file("No Content-Type, a key, or too late", _XML),
    403: _file("Not what was signed", _XML),
}
FILE: dict[int | str, dict[str, Any]] = {
    200: _file("The file", "*/*"),
    206: _file("The part that was asked for", "*/*"),
    401: _file("No key is taken here", _XML),
    404: _file("No such file", _XML),
    416: _file("No such part", _XML),
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: REFUSALS[404]}
FAULT[400] = REFUSALS[400]
