"""The simulated request queue: requests, records, lists, accounts, prices."""

from __future__ import annotations
