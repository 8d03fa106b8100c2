"""One cluster for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.celery_cluster import WORKERS
from tests.cluster.network import why_not
from tests.cluster.world import ClusterWorld

CLOCKS = dict(zip(WORKERS, (300.0, -300.0), strict=True))
"""The workers' clocks differ by ten minutes."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterWorld]:
    """Eight machines whose workers' clocks are wrong."""
    if reason := why_not():
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("cluster")
    dags = Path(__file__).with_name("dags")
    with ClusterWorld(home, dags=dags, clocks=CLOCKS, speed=8, render="fast") as running:
        yield running
