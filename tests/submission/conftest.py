from __future__ import annotations

from tests.submission.bench import bench as bench
from tests.submission.bench import running as running
from tests.task_fixtures import *  # noqa: F403 -- fixtures are found by their names
