"""Everything a kill test needs: an Airflow that can be hurt, the queue, and what the queue has billed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image

from kling_airflow.gmi.client import GMIClient
from tests.e2e.cluster import Cluster
from tests.e2e.cluster_api import Row
from tests.e2e.orders import order_for_somebody_else, orders_by_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from kling_airflow.simulator import Simulator
    from kling_airflow.simulator.queue.billing import LedgerEntry

T = TypeVar("T")
CANCEL = "DELETE /requests/{id}"
DAGS = ("deferred", "synchronous", "held_back", "pausing", "remembered", "twins")
SECONDS = 240.0
"""How long anything may take on a busy machine; each test ends as soon as it can."""


class World:
    """A cluster that is connected to a simulator, up when entered.

    DAG files find in their environment: ``WORLD_FOLDER``, with a ``frame.png`` in it, and
    ``WORLD_FRAME_URL``, the same frame where the queue can read it.

    :param folder: where frames, clips and logs go.
    :param dags: the folder of DAG files.
    :param names: the DAGs to wait for and to let run.
    :param simulator: the queue, running.
    :param environment: what DAG files are told besides.
    :param parallelism: how many tasks run at a time.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dags: Path,
        names: tuple[str, ...],
        simulator: Simulator,
        environment: Mapping[str, str] | None = None,
        parallelism: int = 8,
    ) -> None:
        self.folder = folder
        self.simulator = simulator
        self._names = names
        frame = folder / "frame.png"
        Image.effect_noise((640, 360), 64).save(frame)
        with GMIClient(simulator.api_key, simulator.base_url) as client:
            self.frame_url = client.upload(frame.read_bytes(), "png")
        told = {
            "AIRFLOW_CONN_GMI_CLOUD_DEFAULT": simulator.connection,
            "WORLD_FOLDER": str(folder),
            "AIRFLOW__KLING__ALLOWED_DESTINATIONS": folder.as_uri(),
            "WORLD_FRAME_URL": self.frame_url,
        }
        self.cluster = Cluster(
            folder, dags=dags, environment=told | dict(environment or {}), parallelism=parallelism
        )

    def __enter__(self) -> World:
        self.cluster.start()
        try:
            self._wait_for_dags()
        except BaseException:
            self.cluster.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cluster.stop()

    def start(self, dag_id: str, name: str, **params: Any) -> Run:
        """Start a run whose prompt is the run's own.

        :param name: of the run; no two may have the same.
        """
        self.cluster.api.start(dag_id, name, {"prompt": prompt_of(name), **params})
        return Run(self, dag_id, name)

    def orders(self) -> dict[str, list[LedgerEntry]]:
        """Return the rows of the billing ledger by the prompt that was asked for, oldest first."""
        return orders_by_prompt(self.simulator)

    def order_for_somebody_else(self) -> None:
        """Let another user of the organization submit a request, without Airflow."""
        order_for_somebody_else(self.simulator, self.frame_url)

    def wait_for(self, look: Callable[[], T | None], what: str, timeout: float = SECONDS) -> T:
        """Wait until a look finds something, and return it.

        :param look: returns None or False while there is nothing.
        :param what: is waited for; for the message when it doesn't come.
        """
        deadline = time.monotonic() + timeout
        while not (found := look()):
            self.cluster.require_running()
            assert time.monotonic() < deadline, f"{what}: not within {timeout:.0f} s\n{self.cluster.tail()}"
            time.sleep(0.2)
        return found

    def _wait_for_dags(self) -> None:
        api = self.cluster.api

        def known() -> bool:
            errors = api.import_errors()
            assert not errors, errors[0]
            return all(api.has_dag(name) for name in self._names)

        self.wait_for(known, "the DAGs are known")
        for name in self._names:
            api.unpause(name)


@dataclass(frozen=True)
class Run:
    """One run of a DAG: a generation and its landing."""

    world: World
    dag_id: str
    name: str

    @property
    def prompt(self) -> str:
        """What it asks for; nobody else asks the same."""
        return prompt_of(self.name)

    def instance(self, task_id: str = "generate") -> Row:
        """Return a task's instance as the REST API gives it now."""
        return self.world.cluster.api.instance(self.dag_id, self.name, task_id)

    def state(self, task_id: str = "generate") -> str | None:
        """Return a task's state now."""
        state: str | None = self.instance(task_id)["state"]
        return state

    def orders(self) -> list[LedgerEntry]:
        """Return what the queue has of this run, billed or not."""
        return self.world.orders().get(self.prompt, [])

    def wait_until_ordered(self) -> LedgerEntry:
        """Wait until the queue has a request of this run, and return it."""
        (entry,) = self.world.wait_for(self.orders, f"{self.name} has a request")
        return entry

    def wait_for_state(self, *states: str, task_id: str = "generate", timeout: float = SECONDS) -> str:
        """Wait until a task is in one of the states, and return which."""

        def reached() -> str | None:
            state = self.state(task_id)
            return state if state in states else None

        return self.world.wait_for(reached, f"{self.name}: {task_id} is {' or '.join(states)}", timeout)

    def wait_until_over(self, timeout: float = SECONDS) -> str:
        """Wait until the run has ended, and return how."""

        def ended() -> str | None:
            state = self.world.cluster.api.run_state(self.dag_id, self.name)
            return state if state in {"success", "failed"} else None

        return self.world.wait_for(ended, f"{self.name} is over", timeout)

    def log(self, task_id: str = "generate", attempt: int | None = None) -> str:
        """Return what is logged of a task, of all tries unless one is named."""
        folder = self.world.folder / "airflow" / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.name}"
        pattern = f"task_id={task_id}/**/attempt={'*' if attempt is None else attempt}.log*"
        return "\n".join(path.read_text(errors="replace") for path in sorted(folder.glob(pattern)))

    def require_one_landed(self, timeout: float = SECONDS) -> LedgerEntry:
        """Wait for the end and require what all this is about: one billed request, and its clip landed."""
        state = self.wait_until_over(timeout)
        assert state == "success", f"{self.name}: {state}\n{self.log()[-6000:]}"
        billed = [entry for entry in self.orders() if entry.billed]
        assert len(billed) == 1, f"{self.name} was billed {len(billed)} times: {billed}\n{self.log()[-6000:]}"
        landed = self.world.cluster.api.xcom(self.dag_id, self.name, "land")
        assert landed["request_id"] == billed[0].request_id
        clip = self.world.folder / "clips" / f"{self.name}.mp4"
        assert clip.stat().st_size == landed["bytes"]
        return billed[0]


def prompt_of(name: str) -> str:
    """Return the prompt of a run."""
    return f"{name}: the rocket rises"
