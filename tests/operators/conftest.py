"""Fixtures of the operators' tests."""

from __future__ import annotations

from ..s3 import s3 as s3
