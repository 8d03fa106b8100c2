from __future__ import annotations

from tests.task_fixtures import deployment as deployment
