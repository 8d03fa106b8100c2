"""The three servers of the demo: an S3, the request queue, and an Airflow connected to both."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from kling_airflow.demo.cluster import AirflowCluster
from kling_airflow.demo.errors import DemoError
from kling_airflow.demo.object_store import ObjectStore
from kling_airflow.demo.ports import free_ports
from kling_airflow.demo.queue import SimulatedQueue
from kling_airflow.demo.service import Service
from kling_airflow.demo.signals import Interruptions

if TYPE_CHECKING:
    from types import TracebackType


GALLERY: Final = "s3://clips"
"""Where the demo's clips land, which the gallery in Airflow's UI shows."""


class Stack:
    """The three of them, started together and stopped together; a context manager.

    :param home: the folder of everything; logs and Airflow's home go there.
    :param dags: the folder of DAG files.
    :param port: of Airflow's UI; a free one if None.
    :param speed: how many times faster than the real service the simulator works.
    :param interruptions: delays SIGINT while a process is being started or stopped.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path,
        port: int | None = None,
        speed: float = 1.0,
        interruptions: Interruptions | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home.resolve()
        self._interruptions = interruptions or Interruptions()
        self._lock: IO[str] | None = None
        store_port, queue_port = free_ports(2)
        self.store = ObjectStore(self.home, port=store_port)
        self.queue = SimulatedQueue(self.home, port=queue_port, speed=speed)
        self.airflow = AirflowCluster(
            self.home / "airflow",
            dags=dags,
            connections={"aws_default": self.store.connection, "gmi_cloud_default": self.queue.connection},
            port=port,
            settings={**self.store.environment, "AIRFLOW__KLING__GALLERY": GALLERY},
        )

    @property
    def services(self) -> tuple[Service, Service, Service]:
        """The three services, in the order in which they become ready."""
        return self.store.service, self.queue.service, self.airflow.service

    def __enter__(self) -> Stack:
        self._lock = _lock_home(self.home)
        try:
            for start in (self.airflow.start, self.store.service.start, self.queue.service.start):
                with self._interruptions.held():
                    start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_until_ready(self, on_ready: Callable[[Service], None]) -> None:
        """Wait until all three answer.

        :param on_ready: is told of each.
        :raises DemoError: if one of them ends first or takes too long.
        """
        for service, wait in zip(
            self.services,
            (self.store.wait_until_ready, self.queue.wait_until_ready, self.airflow.wait_until_ready),
            strict=True,
        ):
            wait()
            on_ready(service)

    def require_running(self) -> None:
        """Check that none of the three has ended.

        :raises DemoError: names the service that has ended, with the end of its log.
        """
        for service in self.services:
            service.require_running()

    def stop(self) -> None:
        """Stop all three; no signal interrupts the stopping."""
        with self._interruptions.ignored():
            for service in reversed(self.services):
                service.stop()
            if self._lock is not None:
                self._lock.close()
                self._lock = None


def _lock_home(home: Path) -> IO[str]:
    """Lock the folder against a second demo, for as long as the returned file is open."""
    lock = (home / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise DemoError(
            f"Another demo is running in {home}. Stop it first, or give this one its own --home."
        ) from error
    return lock
