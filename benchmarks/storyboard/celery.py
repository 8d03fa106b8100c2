"""The cluster of the benchmarks with CeleryExecutor: one Redis and one Celery worker more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.demo.ports import LOOPBACK
from tests.cluster.redis import Redis
from tests.e2e.cluster import Cluster, Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class CeleryOnOneMachine(Cluster):
    """A :class:`Cluster` whose tasks run in a Celery worker; a context manager.

    :param home: the folder of everything.
    :param environment: what tasks and DAG files are told besides.
    :param parallelism: how many tasks run at a time.
    :param arguments: the other arguments of a :class:`Cluster`.
    """

    def __init__(
        self, home: Path, *, environment: Mapping[str, str], parallelism: int, **arguments: Any
    ) -> None:
        self.broker = Redis(home, LOOPBACK)
        settings = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": self.broker.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": self.broker.url,
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(parallelism),
        }
        super().__init__(home, environment=settings | dict(environment), parallelism=parallelism, **arguments)
        self.worker = self._part("celery", "worker", name="celery-worker")

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every process of Airflow, in the order in which they are started."""
        return (*super().parts, self.worker)

    def start(self) -> None:
        """Start the broker, then everything as a :class:`Cluster` does."""
        self.broker.start()
        self.broker.wait_until_answering()
        super().start()

    def stop(self) -> None:
        """Stop everything, the broker last."""
        super().stop()
        self.broker.stop()
