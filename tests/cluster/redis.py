"""A Redis of our own, the broker of Celery, in a temporary folder for as long as it is needed."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
from typing import TYPE_CHECKING

from kling_airflow.demo.cluster import clean_environment
from kling_airflow.demo.ports import free_ports
from kling_airflow.demo.service import Service
from tests import debian

if TYPE_CHECKING:
    from pathlib import Path

STARTUP_SECONDS = 60


class Redis(Service):
    """A server that writes every message to its disk before it confirms it, as a production broker is set up.

    :param folder: of its data and its log.
    :param host: the address that it listens on.
    """

    def __init__(self, folder: Path, host: str) -> None:
        if shutil.which("redis-server") is None:
            debian.install("redis-server", why="Celery's broker needs a Redis, and there is none")
        (self.port,) = free_ports(1)
        self._host, self._password = host, secrets.token_hex(16)
        data = folder / "redis"
        options = {"bind": host, "port": str(self.port), "dir": str(data), "requirepass": self._password}
        options |= {"appendonly": "yes", "appendfsync": "always", "save": ""}
        super().__init__(
            "Redis",
            ["redis-server", *(part for name, value in options.items() for part in (f"--{name}", value))],
            log=folder / "logs" / "redis.log",
            env=clean_environment(),
            cwd=folder,
        )
        data.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Its address as Celery takes it."""
        return f"redis://:{self._password}@{self._host}:{self.port}/0"

    def wait_until_answering(self) -> None:
        """Wait until it accepts connections.

        :raises DemoError: if it ends first or takes too long.
        """
        self.wait_until_ready(self._answers, timeout=STARTUP_SECONDS)

    def kill(self) -> None:
        """End it as a lost machine does."""
        assert self._process is not None, "Redis is not running"
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)
        self._process = None

    def _answers(self) -> bool:
        with socket.create_connection((self._host, self.port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return bool(connection.recv(16))
