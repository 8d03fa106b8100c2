"""Faults in the records that are shown by id and in the list: the echo of the payload is not whole."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import GET, LIST

READS = (LIST, GET)
EXTRA = {"mode": "std", "cfg_scale": 0.5, "watermark": False, "callback_url": None, "external_task_id": ""}
"""Fields that other interfaces of the upstream vendor have."""


@register("echo-empty", Stage.RECORD, READS, lasting=True)
def empty(record: dict[str, Any]) -> None:
    """The echo of the payload is `{}`, in the list and by id."""
    record["payload"] = {}


@register("echo-absent", Stage.RECORD, READS, lasting=True)
def absent(record: dict[str, Any]) -> None:
    """The record has no `payload`, in the list and by id."""
    record.pop("payload", None)


@register("echo-without-field", Stage.RECORD, READS, lasting=True)
def without_field(record: dict[str, Any], *, field: str = "image") -> None:
    """The echo of the payload lacks `field`; lists and objects inside the payload are echoed whole."""
    record["payload"] = {name: value for name, value in record["payload"].items() if name != field}


@register("echo-cut", Stage.RECORD, READS, lasting=True)
def cut(record: dict[str, Any], *, length: int = 60, ending: str = "") -> None:
    """Texts of the echo that are longer than `length` characters are cut there; `ending` is appended."""
    record["payload"] = _texts(
        record["payload"], lambda text: text if len(text) <= length else text[:length] + ending
    )


@register("echo-redacted", Stage.RECORD, READS, lasting=True)
def redacted(record: dict[str, Any], *, field: str = "image", value: str = "***") -> None:
    """The echo has `value` in place of the value of `field`; an empty `field` is every field."""
    record["payload"] = {
        name: value if field in ("", name) else echoed for name, echoed in record["payload"].items()
    }


@register("echo-rehosted", Stage.RECORD, READS, lasting=True)
def rehosted(record: dict[str, Any], *, address: str = "https://cdn.gmi.example/inputs/") -> None:
    """The echo has another address below `address` for each URL, the same one each time."""
    record["payload"] = _texts(record["payload"], lambda text: _other_address(text, address))


@register("echo-extra", Stage.RECORD, READS, lasting=True)
def extra(record: dict[str, Any], *, field: str = "", value: str = "") -> None:
    """The echo has more fields than were sent: those of the upstream vendor, or `field` with `value`."""
    record["payload"] = record["payload"] | ({field: value} if field else EXTRA)


def _texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return JSON with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _texts(inner, change) for name, inner in value.items()}
    return [_texts(inner, change) for inner in value] if isinstance(value, list) else value


def _other_address(text: str, address: str) -> str:
    if not text.lower().startswith(("http://", "https://")):
        return text
    name, dot, suffix = text.partition("?")[0].rpartition("/")[2].rpartition(".")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{address}{digest}{dot}{suffix if name else ''}"
