"""A cluster that is connected to a simulator, and what was ordered, billed and landed through it."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image

from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from tests.cluster.celery_cluster import BUCKET, MACHINES, CeleryCluster
from tests.cluster.network import Network
from tests.e2e.orders import order_for_somebody_else, orders_by_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from kling_airflow.simulator.queue.billing import LedgerEntry

T = TypeVar("T")
SECONDS = 600.0
"""How long anything may take on a busy machine; each test ends as soon as it can."""
KEYS = ("ours", "others")
NAMES = ("relay", "clips", "board")


class ClusterWorld:
    """Network, queue and cluster, up when entered.

    :param home: the cluster's folder.
    :param dags: the folder of DAG files.
    :param environment: what DAG files are told besides.
    :param clocks: how many seconds the clock of a machine is fast, by its name.
    :param concurrency: tasks that a worker runs at a time.
    :param simulation: settings of the simulator.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path,
        environment: Mapping[str, str] | None = None,
        clocks: Mapping[str, float] | None = None,
        concurrency: int = 4,
        **simulation: Any,
    ) -> None:
        self._home, self._dags, self._environment = home, dags, dict(environment or {})
        self._clocks, self._concurrency, self._simulation = clocks, concurrency, simulation
        self.network = Network(MACHINES)

    def __enter__(self) -> ClusterWorld:
        self.network.start()
        try:
            accounts = [{"key": f"gmi-{name}-key", "name": name} for name in KEYS]
            self.simulator = Simulator(host=self.network.queue, accounts=accounts, **self._simulation).start()
            told = {"AIRFLOW_CONN_GMI_CLOUD_DEFAULT": self.simulator.connection} | self._environment
            self.cluster = CeleryCluster(
                self._home,
                network=self.network,
                dags=self._dags,
                environment=told,
                clocks=self._clocks,
                concurrency=self._concurrency,
            )
            self.cluster.__enter__()
            self._prepare()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything that was started."""
        if hasattr(self, "cluster"):
            self.cluster.stop()
        if hasattr(self, "simulator"):
            self.simulator.stop()
        self.network.stop()

    def start(self, dag_id: str, run_id: str, **params: Any) -> None:
        """Start a run."""
        self.cluster.api.start(dag_id, run_id, params)

    def orders(self) -> dict[str, list[LedgerEntry]]:
        """Return our rows of the billing ledger by the prompt that was asked for, oldest first."""
        return orders_by_prompt(self.simulator)

    def order_for_somebody_else(self) -> None:
        """Let another user of the organization submit a request, without Airflow."""
        order_for_somebody_else(self.simulator, self._frame_url)

    def keys(self, prefix: str) -> set[str]:
        """Return what is in the bucket below a prefix."""
        pages = self.cluster.store.client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=BUCKET, Prefix=prefix)
        return {item["Key"] for page in found for item in page.get("Contents", [])}

    def put(self, key: str, content: bytes) -> None:
        """Store an object in the bucket."""
        self.cluster.store.client().put_object(Bucket=BUCKET, Key=key, Body=content)

    def read(self, key: str) -> bytes:
        """Return an object of the bucket."""
        found = self.cluster.store.client().get_object(Bucket=BUCKET, Key=key)
        content: bytes = found["Body"].read()
        return content

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Return what all tries of a task have logged, as it lies in the bucket."""
        prefix = f"logs/dag_id={dag_id}/run_id={run_id}/task_id={task_id}/"
        return "\n".join(self.read(key).decode(errors="replace") for key in sorted(self.keys(prefix)))

    def wait_for(self, look: Callable[[], T | None], what: str, timeout: float = SECONDS) -> T:
        """Wait until a look finds something, and return it.

        :param look: returns None or False while there is nothing.
        :param what: is waited for; for the message when it doesn't come.
        """
        deadline = time.monotonic() + timeout
        while not (found := look()):
            self.cluster.require_running()
            assert time.monotonic() < deadline, f"{what}: not within {timeout:.0f} s\n{self.cluster.tail()}"
            time.sleep(0.3)
        return found

    def wait_until_over(self, dag_id: str, run_id: str, timeout: float = SECONDS) -> str:
        """Wait until a run has ended, and return how."""

        def ended() -> str | None:
            state = self.cluster.api.run_state(dag_id, run_id)
            return state if state in {"success", "failed"} else None

        return self.wait_for(ended, f"{run_id} is over", timeout)

    def _prepare(self) -> None:
        still = io.BytesIO()
        Image.effect_noise((1280, 720), 64).save(still, "PNG")
        self.put("stills/rocket.png", still.getvalue())
        with GMIClient(self.simulator.settings.accounts[-1].key, self.simulator.base_url) as client:
            self._frame_url = client.upload(still.getvalue(), "png")

        def known() -> bool:
            errors = self.cluster.api.import_errors()
            assert not errors, errors[0]
            return all(self.cluster.api.has_dag(name) for name in NAMES)

        self.wait_for(known, "the DAGs are known")
        for name in NAMES:
            self.cluster.api.unpause(name)
