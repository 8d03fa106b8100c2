"""The simulated request queue, and the two calls that the demo makes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import requests

from kling_airflow.demo.cluster import clean_environment
from kling_airflow.demo.ports import LOOPBACK
from kling_airflow.demo.service import Service
from kling_airflow.simulator.settings import DEFAULT_KEY

STARTUP_SECONDS = 60


class SimulatedQueue:
    """``kling-airflow simulator`` in a process of its own.

    :param folder: where its log goes.
    :param port: to listen on.
    :param speed: how many times faster than the real service it works.
    """

    def __init__(self, folder: Path, *, port: int, speed: float) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        command = [sys.executable, "-m", "kling_airflow", "simulator"]
        self.service = Service(
            "Request queue (simulator)",
            [*command, "--host", LOOPBACK, "--port", str(port), "--speed", str(speed)],
            log=folder / "simulator.log",
            env=clean_environment(),
            cwd=folder,
        )
        self._session = requests.Session()
        self._session.trust_env = False

    @property
    def connection(self) -> dict[str, Any]:
        """The Airflow connection to this queue."""
        return {"conn_type": "gmi_cloud", "host": self.url, "password": DEFAULT_KEY}

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        :raises DemoError: if it ends first or takes too long.
        """
        self.service.wait_until_ready(
            lambda: self._session.get(f"{self.url}/_simulator/ledger", timeout=10).ok, timeout=STARTUP_SECONDS
        )

    def status(self, request_id: str) -> str | None:
        """Return the status of a request, or None if the queue doesn't say."""
        response = self._session.get(
            f"{self.url}/api/v1/ie/requestqueue/apikey/requests/{request_id}",
            headers={"Authorization": f"Bearer {DEFAULT_KEY}"},
            timeout=10,
        )
        return str(response.json()["status"]) if response.ok else None

    def ledger(self) -> list[dict[str, Any]]:
        """Return the billing ledger: a row for every request that was created, billed or not."""
        response = self._session.get(f"{self.url}/_simulator/ledger", timeout=10)
        response.raise_for_status()
        rows: list[dict[str, Any]] = response.json()["requests"]
        return rows

    def billed(self) -> int:
        """Return how many requests cost money, or would."""
        return sum(row["billed"] for row in self.ledger())
