"""A cell's proof with a real scheduler and triggerer on PostgreSQL: each clip is billed once.

Runs with the cell's own Python: ``python -m tests.matrix.live FOLDER``, and prints one JSON object. A folder
ledger, turned on by ``[kling] ledger`` and ``deployment``, remembers the orders on every version.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from airflow.triggers.base import BaseTrigger
from PIL import Image

from kling_airflow.demo.cluster import airflow_executable, clean_environment
from kling_airflow.demo.ports import LOOPBACK, free_ports
from kling_airflow.demo.service import Service
from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from tests.e2e.postgres import Postgres
from tests.matrix.api import API, PASSWORD, USERNAME

SECONDS = 240.0
SECOND = version("apache-airflow").startswith("2.")
WITHOUT_RETRY = version("apache-airflow").startswith("3.0.")


class Cluster:
    """Database, API server, scheduler with LocalExecutor and triggerer.

    :param ledger: the folder ledger's address, None for the task state store.
    """

    def __init__(self, home: Path, simulator: Simulator, ledger: str | None) -> None:
        self.home = home
        self.database = Postgres()
        port, worker_logs, trigger_logs = free_ports(3)
        self.api = API(f"http://{LOOPBACK}:{port}", second=SECOND)
        self.environment = clean_environment() | _settings(home, port, worker_logs, trigger_logs)
        self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = self._url("psycopg2")
        if not SECOND:
            self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"] = self._url("asyncpg")
        self.environment["AIRFLOW_CONN_GMI_CLOUD_DEFAULT"] = simulator.connection
        self.environment["MATRIX_FOLDER"] = str(home)
        if ledger:
            self.environment |= {"AIRFLOW__KLING__LEDGER": ledger, "AIRFLOW__KLING__DEPLOYMENT": "matrix"}
        names = {"server": ["webserver" if SECOND else "api-server", "--port", str(port)]}
        names |= {"scheduler": ["scheduler"], "triggerer": ["triggerer"]}
        if not SECOND:
            names["dag-processor"] = ["dag-processor"]
        self.parts = {name: self._part(name, command) for name, command in names.items()}

    def __enter__(self) -> Cluster:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.database.start()
        (self.home / "airflow").mkdir(parents=True, exist_ok=True)
        (self.home / "airflow" / "passwords.json").write_text(json.dumps({USERNAME: PASSWORD}))
        self._airflow("db", "migrate")
        if SECOND:
            who = ["--firstname", "a", "--lastname", "b", "--email", "a@b.example", "--role", "Admin"]
            self._airflow("users", "create", "--username", USERNAME, "--password", PASSWORD, *who)
        for part in self.parts.values():
            part.start()
        wait_for(self.api.healthy, "scheduler and triggerer are healthy", self)
        self.api.log_in()
        for dag_id in ("matrix_split", "matrix_whole", "matrix_mapped", "matrix_on_worker"):
            wait_for(lambda dag_id=dag_id: self.api.has_dag(dag_id), f"{dag_id} is known", self)
            self.api.unpause(dag_id)

    def __exit__(self, *_: object) -> None:
        for part in self.parts.values():
            part.stop(0)
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.home):
                    process.kill()
            except psutil.Error:
                continue
        self.database.stop()

    def kill(self, name: str) -> None:
        """End a part as a lost machine does, and start it anew."""
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.home) and name in process.cmdline():
                    process.kill()
            except psutil.Error:
                continue
        self.parts[name].stop(0)
        self.parts[name] = self._part(name, [name])
        self.parts[name].start()

    def tail(self) -> str:
        """Return the end of each part's log."""
        return "\n".join(f"--- {name}\n{part.tail(12)}" for name, part in self.parts.items())

    def _url(self, driver: str) -> str:
        return self.database.url.replace("+psycopg:", f"+{driver}:")

    def _part(self, name: str, command: list[str]) -> Service:
        program = [airflow_executable(), *command]
        return Service(name, program, log=self.home / f"{name}.log", env=self.environment, cwd=self.home)

    def _airflow(self, *command: str) -> None:
        with (self.home / f"{command[0]}.log").open("wb") as log:
            program = [airflow_executable(), *command]
            subprocess.run(program, check=True, env=self.environment, cwd=self.home, stdout=log, stderr=log)


def _settings(home: Path, port: int, worker_logs: int, trigger_logs: int) -> dict[str, str]:
    url = f"http://{LOOPBACK}:{port}"
    options = {
        "API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
        "API__BASE_URL": url,
        "API__SECRET_KEY": "matrix",
        "API_AUTH__JWT_SECRET": "m" * 64,
        "CORE__DAGS_FOLDER": str(Path(__file__).parent / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__INTERNAL_API_SECRET_KEY": "matrix",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "4",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "airflow" / "passwords.json"),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USERNAME}:admin",
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
        "LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
        "SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "15",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        "SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
        "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
        "WEBSERVER__SECRET_KEY": "matrix",
        "WEBSERVER__WORKERS": "1",
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }
    return {f"AIRFLOW__{name}": value for name, value in options.items()} | {
        "AIRFLOW_HOME": str(home / "airflow")
    }


def wait_for(look: Callable[[], Any], what: str, cluster: Cluster, timeout: float = SECONDS) -> Any:
    """Return what a look finds, as soon as it finds something.

    :raises AssertionError: with the ends of the logs, if it doesn't.
    """
    deadline = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout:.0f} s\n{cluster.tail()}"
        time.sleep(0.5)
    return found


class Proof:
    """The steps, each on a run of its own whose prompt is the run's id."""

    def __init__(self, cluster: Cluster, simulator: Simulator) -> None:
        self.cluster, self.api, self.simulator = cluster, cluster.api, simulator

    def deferred(self) -> None:
        """A sensor waits in the triggerer, which is killed meanwhile."""
        self.api.start("matrix_split", "deferred")
        self._until("matrix_split", "deferred", "wait", {"deferred"})
        self.cluster.kill("triggerer")
        self._landed("matrix_split", "deferred")

    def killed(self) -> None:
        """The worker of a task that waits for its request is lost; the retry waits for the same request."""
        before = len(self.simulator.ledger())
        self.api.start("matrix_on_worker", "killed")
        wait_for(lambda: len(self.simulator.ledger()) > before, "a request", self.cluster)
        self._until("matrix_on_worker", "killed", "generate", {"running"})
        self._kill_task()
        self._ended("matrix_on_worker", "killed")
        tries = self.api.instance("matrix_on_worker", "killed", "generate")["try_number"]
        assert tries == 2, f"the killed task ended in try {tries}"

    def cleared(self) -> None:
        """An operator that submits and waits has landed its clip, and is cleared."""
        self.api.start("matrix_whole", "cleared")
        self._landed("matrix_whole", "cleared")
        self.api.clear("matrix_whole", "cleared", "generate")
        self._landed("matrix_whole", "cleared")
        tries = self.api.instance("matrix_whole", "cleared", "generate")["try_number"]
        assert tries >= 2, f"the cleared task ended in try {tries}"

    def mapped(self) -> str:
        """A mapped row comes by XCom and waits deferred; return its prompt as the queue got it."""
        before = len(self.simulator.ledger())
        self.api.start("matrix_mapped", "mapped")
        self._ended("matrix_mapped", "mapped")
        (entry,) = self.simulator.ledger()[before:]
        with GMIClient(self.simulator.api_key, self.simulator.base_url) as client:
            return str((client.get(entry.request_id).payload or {})["prompt"])

    def marked_failed(self) -> str:
        """A user marks a deferred task failed; return whether its request was cancelled."""
        self.simulator.faults.add("stuck-queued")
        before = len(self.simulator.ledger())
        self.api.start("matrix_whole", "failed")
        wait_for(lambda: len(self.simulator.ledger()) > before, "a request", self.cluster)
        self._until("matrix_whole", "failed", "generate", {"deferred"})
        polled = self._polls()
        wait_for(lambda: self._polls() > polled, "the trigger polls", self.cluster)
        self.api.mark_failed("matrix_whole", "failed", "generate")
        self._until("matrix_whole", "failed", "generate", {"failed"})
        # Airflow tells a trigger from 3.3 on; before that there is nothing to wait for.
        deadline = time.monotonic() + (90 if hasattr(BaseTrigger, "on_kill") else 10)
        while time.monotonic() < deadline and not self._cancels():
            time.sleep(0.5)
        return "cancelled" if self._cancels() else "alive"

    def _polls(self) -> int:
        calls = self.simulator.calls()
        return sum(count for name, count in calls.items() if name.startswith("GET /requests"))

    def _cancels(self) -> int:
        return int(self.simulator.calls().get("DELETE /requests/{id}", 0))

    def _until(self, dag_id: str, run_id: str, task_id: str, states: set[str | None]) -> None:
        def reached() -> bool:
            return self.api.instance(dag_id, run_id, task_id)["state"] in states

        wait_for(reached, f"{run_id}: {task_id} is {states}", self.cluster)

    def _ended(self, dag_id: str, run_id: str) -> None:
        def ended() -> str:
            state = self.api.run_state(dag_id, run_id)
            return state if state in {"success", "failed"} else ""

        state = wait_for(ended, f"{run_id} is over", self.cluster)
        assert state == "success", f"{run_id}: {state}\n{self._logs(run_id)}\n{self.cluster.tail()}"
        billed = [entry for entry in self._orders() if entry.billed]
        assert len(billed) == len(self._orders()), "a request of a run that succeeded was not billed"

    def _landed(self, dag_id: str, run_id: str) -> None:
        self._ended(dag_id, run_id)
        clip = self.cluster.home / "clips" / f"{run_id}.mp4"
        assert clip.stat().st_size > 0

    def _orders(self) -> list[Any]:
        return list(self.simulator.ledger())

    def _kill_task(self) -> None:
        """Kill the process in which a task runs its code; on 3.0 first the worker that watches over it.

        Airflow 3.0 fails a task whose process alone was killed, without a retry. A worker that is lost with
        its task is noticed by the heartbeat, and retried on every version.
        """
        titles = re.compile(r"airflow worker -- [0-9a-f]{8}-|airflow task runner: ")
        for process in psutil.process_iter():
            try:
                title = " ".join(process.cmdline())
                if process.cwd() == str(self.cluster.home) and titles.match(title):
                    if WITHOUT_RETRY and (worker := process.parent()):
                        worker.send_signal(signal.SIGKILL)
                    process.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue

    def _logs(self, run_id: str) -> str:
        logs = sorted((self.cluster.home / "airflow" / "logs").glob(f"**/*run_id={run_id}/**/*.log"))
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in logs)


def prove(folder: Path, ledger: str | None) -> dict[str, Any]:
    """Run every step; return what was billed for each, and how the killed deferral's request ended."""
    folder.mkdir(parents=True)
    Image.effect_noise((640, 360), 64).save(folder / "frame.png")
    if ledger:
        Path(ledger.removeprefix("file://")).mkdir(parents=True)
    found: dict[str, Any] = {"ledger": "folder" if ledger else "task state store"}
    with Simulator(speed=12, render="fast") as simulator, Cluster(folder, simulator, ledger) as cluster:
        proof = Proof(cluster, simulator)
        for step in ("deferred", "killed", "cleared"):
            before = len(simulator.ledger())
            began = time.monotonic()
            getattr(proof, step)()
            billed = [entry for entry in simulator.ledger()[before:] if entry.billed]
            found[step] = {"billed": len(billed), "seconds": round(time.monotonic() - began)}
            print(step, found[step], file=sys.stderr, flush=True)
        found["prompt of a mapped row"] = proof.mapped()
        found["marked failed while deferred"] = proof.marked_failed()
    return found


def main() -> None:
    """Prove the folder ledger on every version, and print the result."""
    folder = Path(sys.argv[1]).resolve()
    os.chdir(folder.parent)
    store = len(sys.argv) > 2 and sys.argv[2] == "store"
    print(json.dumps(prove(folder, None if store else f"file://{folder}/ledger")))


if __name__ == "__main__":
    main()
