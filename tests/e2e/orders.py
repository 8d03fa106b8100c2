"""What was ordered from a simulator, read as another member of the organization can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator
    from kling_airflow.simulator.queue.billing import LedgerEntry

MODEL = "kling-v3-image-to-video"
QUEUE = "/api/v1/ie/requestqueue/apikey"


def orders_by_prompt(simulator: Simulator) -> dict[str, list[LedgerEntry]]:
    """Return the rows of the billing ledger by the prompt that was asked for, oldest first."""
    prompts = {str(row["request_id"]): str(row["payload"]["prompt"]) for row in _rows(simulator)}
    found: dict[str, list[LedgerEntry]] = {}
    for entry in simulator.ledger():
        found.setdefault(prompts.get(entry.request_id, ""), []).append(entry)
    return found


def order_for_somebody_else(simulator: Simulator, frame_url: str) -> None:
    """Let another user of the organization submit a request, without Airflow.

    :param frame_url: the start frame, where the queue can read it.
    """
    url = f"{simulator.base_url}{QUEUE}/requests"
    body = {"model": MODEL, "payload": {"prompt": "somebody else's", "image": frame_url}}
    requests.post(url, json=body, headers=_key(simulator), timeout=30).raise_for_status()


def _key(simulator: Simulator) -> dict[str, str]:
    """The last account's: where there are several, that is none that a DAG uses."""
    return {"Authorization": f"Bearer {simulator.settings.accounts[-1].key}"}


def _rows(simulator: Simulator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    url = f"{simulator.base_url}{QUEUE}/requests"
    while True:
        asked: dict[str, str | int] = {"model_id": MODEL, "limit": 100, "offset": len(rows)}
        answer = requests.get(url, params=asked, headers=_key(simulator), timeout=30).json()
        rows += answer["requests"]
        if not answer["has_more"]:
            return rows
