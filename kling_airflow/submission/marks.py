"""The two texts in the metadata of a delivered frame that make its request recognizable.

The *nonce* of a Base64 frame is the marker of one delivery: it is chosen anew unless the ledger has it. The
*order id* is the same in every try, and needs no ledger: it is how a request is recognized when its record
is lost.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

NONCE: Final = "kling-airflow-"
"""The beginning of a nonce; 24 hex digits follow."""
_NONCES: Final = re.compile(rb"kling-airflow-[0-9a-f]{24}")
_ORDER: Final = "kling-airflow-order-"
_ORDERS: Final = re.compile(rb"kling-airflow-order-([0-9a-f]{32})")


def new_nonce() -> str:
    """Return a nonce that no other delivery has."""
    return f"{NONCE}{secrets.token_hex(12)}"


def nonces(picture: bytes) -> set[str]:
    """Return the nonces in a picture, which may be cut."""
    return {match.decode() for match in _NONCES.findall(picture)}


def order_mark(order_id: str) -> str:
    """Return the text that carries an order's id in the metadata of a frame."""
    return f"{_ORDER}{order_id}"


def order_ids(picture: bytes) -> set[str]:
    """Return the ids of the orders for which a picture was delivered; it may be cut."""
    return {match.decode() for match in _ORDERS.findall(picture)}
