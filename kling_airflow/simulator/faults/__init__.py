"""What can go wrong with the service, by name, and the script of when it does."""

from __future__ import annotations
