from __future__ import annotations

from tests.task_fixtures import *  # noqa: F403 -- fixtures are found by their names
