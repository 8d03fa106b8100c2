"""Airflow on many machines: Celery, two schedulers, two workers, two triggerers, no common disk."""

from __future__ import annotations

import json
import secrets
import subprocess
from typing import TYPE_CHECKING, Final

import psutil

from kling_airflow.demo.cluster import USERNAME, airflow_environment, airflow_executable
from kling_airflow.demo.object_store import ObjectStore
from kling_airflow.demo.ports import free_ports
from tests.cluster.machine import Machine, local_disk
from tests.cluster.redis import Redis
from tests.e2e.cluster import IS_TASK, SETTINGS, STARTUP_SECONDS, title_of
from tests.e2e.cluster_api import ClusterAPI
from tests.e2e.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from tests.cluster.network import Network

SCHEDULERS: Final = ("scheduler-a", "scheduler-b")
WORKERS: Final = ("worker-a", "worker-b")
TRIGGERERS: Final = ("triggerer-a", "triggerer-b")
API_SERVER, PROCESSOR = "api-server", "dag-processor"
MACHINES: Final = (API_SERVER, PROCESSOR, *SCHEDULERS, *WORKERS, *TRIGGERERS)
PORT, LOG_PORT = 8080, 8793
BUCKET: Final = "cluster"
CLOCKS_MAY_DIFFER: Final = 900
"""Seconds by which the clocks of two machines may differ before Airflow itself refuses a worker's tokens."""


class CeleryCluster:
    """Each part on a machine of its own; a context manager.

    Database, broker and object store listen at one more address, which every machine reaches. Frames, clips,
    ledgers and logs can only be in the store's bucket ``cluster``: no two machines have a disk in common.

    :param home: the folder of everything; the logs of all machines are in ``logs`` there.
    :param network: that the machines are in, up.
    :param dags: the folder of DAG files, the same on each machine.
    :param environment: what tasks and DAG files are told besides: connections, settings.
    :param clocks: how many seconds the clock of a machine is fast, by its name.
    :param concurrency: tasks that a worker runs at a time.
    """

    def __init__(
        self,
        home: Path,
        *,
        network: Network,
        dags: Path,
        environment: Mapping[str, str],
        clocks: Mapping[str, float] | None = None,
        concurrency: int = 4,
    ) -> None:
        self.home = home.resolve()
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        (store_port,) = free_ports(1)
        self.database = Postgres(network.services, clients=network.cidr, killable=True)
        self.broker = Redis(self.home, network.services)
        self.store = ObjectStore(self.home / "logs", port=store_port, host=network.services)
        self.password = secrets.token_urlsafe(9)
        address = network.address(API_SERVER)
        self.api = ClusterAPI(f"http://{address}:{PORT}", username=USERNAME, password=self.password)
        self._environment = (
            airflow_environment(local_disk(self.home) / "airflow", dags.resolve(), PORT, LOG_PORT, LOG_PORT)
            | SETTINGS
            | self._settings(address, concurrency)
            | self.store.environment
            | {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(self.store.connection)}
            | dict(environment)
        )
        commands = {
            API_SERVER: ["api-server", "--host", address, "--port", str(PORT)],
            PROCESSOR: ["dag-processor"],
            **{name: ["scheduler"] for name in SCHEDULERS},
            **{
                name: ["celery", "worker", "--celery-hostname", name, "--queues", f"default,{name}"]
                for name in WORKERS
            },
            **{name: ["triggerer"] for name in TRIGGERERS},
        }
        self.machines = {
            name: Machine(
                name,
                [airflow_executable(), *command],
                home=self.home,
                network=network,
                env=self._environment,
                clock=(clocks or {}).get(name, 0.0),
            )
            for name, command in commands.items()
        }

    def __enter__(self) -> CeleryCluster:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def workers(self) -> list[Machine]:
        """The machines that run tasks."""
        return [self.machines[name] for name in WORKERS]

    @property
    def triggerers(self) -> list[Machine]:
        """The machines that wait."""
        return [self.machines[name] for name in TRIGGERERS]

    def tasks(self, machine: Machine) -> list[psutil.Process]:
        """Return the processes on a machine in which tasks run their code."""
        return [process for process in machine.processes() if IS_TASK.fullmatch(title_of(process))]

    def alive(self, triggerer: str) -> bool:
        """Whether Airflow counts a triggerer among the living, by its host name."""
        self.machines[triggerer].require_running()
        return self.api.hosts_of("TriggererJob").get(triggerer, "") == "running"

    def require_running(self) -> None:
        """Check that no machine has ended that wasn't killed on purpose."""
        self.database.require_running()
        for service in (self.broker, self.store.service, *self.machines.values()):
            service.require_running()

    def tail(self) -> str:
        """Return the end of every machine's log, for the message of a test that fails."""
        return "\n".join(f"--- {name}\n{machine.tail(15)}" for name, machine in self.machines.items())

    def stop(self) -> None:
        """Stop everything, the database last."""
        for machine in reversed(self.machines.values()):
            machine.stop()
        self.broker.stop()
        self.store.service.stop()
        self.database.stop()

    def _start(self) -> None:
        self.database.start()
        self.broker.start()
        self.store.service.start()
        self.broker.wait_until_answering()
        self.store.wait_until_ready()
        self.store.client().create_bucket(Bucket=BUCKET)
        self._migrate()
        server = self.machines[API_SERVER]
        airflow_home = server.disk / "airflow"
        airflow_home.mkdir(parents=True, exist_ok=True)
        (airflow_home / "passwords.json").write_text(json.dumps({USERNAME: self.password}))
        for machine in self.machines.values():
            machine.start()
        server.wait_until_ready(self._healthy, timeout=STARTUP_SECONDS)
        self.api.log_in()
        for name in TRIGGERERS:
            self.machines[name].wait_until_ready(lambda name=name: self.alive(name), timeout=STARTUP_SECONDS)

    def _healthy(self) -> bool:
        self.require_running()
        return self.api.healthy()

    def _migrate(self) -> None:
        with (self.home / "logs" / "migrate.log").open("wb") as log:
            subprocess.run(
                [airflow_executable(), "db", "migrate"],
                check=True,
                env=self._environment | {"AIRFLOW_HOME": str(self.home / "migrate")},
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=STARTUP_SECONDS,
            )

    def _settings(self, address: str, concurrency: int) -> dict[str, str]:
        url = f"http://{address}:{PORT}"
        local = local_disk(self.home)
        return {
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__HOST": address,
            "AIRFLOW__API_AUTH__JWT_LEEWAY": str(CLOCKS_MAY_DIFFER),
            "AIRFLOW__CELERY__BROKER_URL": self.broker.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{self.database.url}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(concurrency),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "64",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": self.database.url,
            "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
            "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{BUCKET}/logs",
            "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "aws_default",
            "AIRFLOW__KLING__LEDGER": f"s3://{BUCKET}/ledger",
            "AIRFLOW__KLING__DEPLOYMENT": "cluster",
            "NO_PROXY": "*",
            "TMPDIR": str(local / "tmp"),
        }
