"""Input frames and rendered clips."""

from __future__ import annotations
