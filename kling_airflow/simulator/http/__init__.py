"""The simulator's HTTP side: the application, its routes, the page in the browser."""

from __future__ import annotations
