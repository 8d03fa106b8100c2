"""Airflow provider that turns still frames into video clips with Kling v3 on GMI Cloud."""

from __future__ import annotations

__version__ = "0.1.0"
