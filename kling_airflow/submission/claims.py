"""Claims: each says which order a request belongs to, for all deployments that share a ledger.

Below the ledger's root, beside the folders of the deployments::

    _claims/<request id>/000001    the order that claimed the request
    _claims/<request id>/000002    the order that took the claim over from it, and so on

A claim is taken over only within one mapped task: its instances asked for the same, and the upstream list
came in another order.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from kling_airflow.submission.exclusive_store import Store

FOLDER: Final = "_claims"
"""No deployment has this name: a deployment's name begins with a letter or a digit."""
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class Claims:
    """The claims of one ledger.

    :param store: the store of the ledger's root.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def claim(self, request_id: str, owner: str) -> bool:
        """Claim a request for an order; return whether the request is this order's, now or already.

        :param owner: the text that names the order, with its deployment.
        """
        self.store.create(_file(_folder(request_id), 1), owner.encode())
        # The first claim may be this order's, and another order may have taken it over since.
        return self.owner(request_id) == owner

    def owner(self, request_id: str) -> str | None:
        """Return the order that a request belongs to; None if no order has claimed it."""
        number = self._last(request_id)
        data = self.store.read(_file(_folder(request_id), number)) if number else None
        return None if data is None else data.decode(errors="replace")

    def take_over(self, request_id: str, earlier: str, owner: str) -> bool:
        """Move a claim from one order to another; return whether the request is the new order's now.

        :param earlier: the order that must hold the claim. If it doesn't, nothing changes.
        """
        number = self._last(request_id)
        if not number:
            return self.claim(request_id, owner)
        held = self.owner(request_id)
        if held != earlier:
            return held == owner
        return self.store.create(_file(_folder(request_id), number + 1), owner.encode())

    def _last(self, request_id: str) -> int:
        names = self.store.names(_folder(request_id))
        return max((int(name) for name in names if name.isdecimal()), default=0)


def _folder(request_id: str) -> str:
    name = request_id
    if not _PLAIN_ID.fullmatch(name):
        name = f"~{hashlib.sha256(request_id.encode(errors='surrogatepass')).hexdigest()}"
    return f"{FOLDER}/{name}"


def _file(folder: str, number: int) -> str:
    return f"{folder}/{number:06d}"
