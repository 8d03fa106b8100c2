"""Fixtures of the tests over real HTTP."""

from __future__ import annotations

from tests.s3 import s3 as s3
