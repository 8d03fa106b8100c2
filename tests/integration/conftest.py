"""Fixtures of the tests over real HTTP."""

from __future__ import annotations

from tests.s3 import s3 as s3
from tests.task_fixtures import frames as frames
from tests.task_fixtures import rocket as rocket
