"""The demo's course: start the servers, run the DAG, copy the clip, stop the servers."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from kling_airflow.demo import options as demo_options
from kling_airflow.demo.cluster import USERNAME, airflow_executable
from kling_airflow.demo.errors import DemoError
from kling_airflow.demo.progress import Board, task_rows
from kling_airflow.demo.signals import Interruptions
from kling_airflow.demo.stack import Stack
from kling_airflow.demo.summary import Result, show
from kling_airflow.demo.task_log import as_lines, cause

if TYPE_CHECKING:
    from rich.console import Console

    from kling_airflow.demo.options import Options
    from kling_airflow.demo.service import Service

DAG_ID = "kling_image_to_video"
BUCKET = "s3://clips"
POLL_SECONDS = 0.5
RUN_SECONDS = 900
SILENCE_SECONDS = 60
LOG_LINES = 30


class Demo:
    """One run of the demo.

    :param options: what was asked for; checked already.
    :param console: where to show it.
    :param board: what shows the progress there.
    """

    dag_id = DAG_ID
    doing = "Airflow makes the clip"

    def __init__(self, options: Options, console: Console, *, board: type[Board] = Board) -> None:
        self._options = options
        self._console = console
        self._board = board
        self._interruptions = Interruptions()

    def run(self) -> None:
        """Run the demo, and stop every process that it started.

        :raises DemoError: with the reason, and the log that shows it.
        :raises KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, after everything was stopped.
        """
        demo_options.require_tools()
        airflow_executable()
        with self._interruptions.watched():
            stack = Stack(
                self._options.home,
                dags=demo_options.dags_folder(),
                port=self._options.port,
                speed=self._options.speed,
                interruptions=self._interruptions,
            )
            try:
                with stack:
                    self._run_in(stack)
                    self._console.print("\n  Stopping everything ...", style="dim")
            except KeyboardInterrupt:
                self._console.print("\n  Everything is stopped.", style="dim")
                raise

    def _run_in(self, stack: Stack) -> None:
        try:
            self._show(self._generate(stack))
        except DemoError as error:
            if not self._options.keep:
                raise
            report(self._console, error)
            self._wait_for_the_end(stack)
            raise DemoError("The demo failed; see above.") from error
        if self._options.keep:
            self._wait_for_the_end(stack)

    def _generate(self, stack: Stack) -> Any:
        """Start the servers, run the DAG and copy the clip."""
        try:
            with self._board(self._console) as board:
                run_id = self._start(stack, board)
                self._watch(stack, board, run_id)
                return self._collect(stack, board, run_id)
        except requests.RequestException as error:
            stack.require_running()
            service = stack.airflow.service
            raise DemoError(
                f"A call that should work failed: {error}", log_tail=service.tail(), log_name=str(service.log)
            ) from error

    def _parameters(self, stack: Stack) -> dict[str, Any]:
        """Return the values of the DAG's params, after what they name was stored."""
        return run_parameters(self._options, stack)

    def _show(self, result: Any) -> None:
        """Print the summary of what :meth:`_collect` returned."""
        show(self._console, result)

    def _start(self, stack: Stack, board: Board) -> str:
        """Start the servers and trigger the run; return the run's id."""
        addresses = {
            stack.store.service.name: stack.store.url,
            stack.queue.service.name: stack.queue.url,
            stack.airflow.service.name: stack.airflow.api.base_url,
        }

        def ready(service: Service) -> None:
            board.service(service.name, service.ready_after or 0.0, addresses[service.name])

        board.step("Starting S3, the request queue and Airflow: scheduler, worker, triggerer, API server")
        stack.wait_until_ready(ready)
        board.step("Waiting for the DAG to be parsed")
        stack.airflow.wait_for_dag(self.dag_id)
        conf = self._parameters(stack)
        stack.airflow.api.unpause(self.dag_id)
        return stack.airflow.api.trigger(self.dag_id, conf)

    def _watch(self, stack: Stack, board: Board, run_id: str) -> None:
        """Show the run until it ends."""
        api = stack.airflow.api
        board.step(self.doing)
        request = ""
        deadline = time.monotonic() + RUN_SECONDS
        heard = time.monotonic()
        while time.monotonic() < deadline:
            stack.require_running()
            try:
                state = api.run_state(self.dag_id, run_id)
                instances = api.task_instances(self.dag_id, run_id)
                deferred = any(instance["state"] == "deferred" for instance in instances)
                if deferred and not request:
                    request = str(api.xcom(self.dag_id, run_id, "submit") or "")
                status = stack.queue.status(request) if deferred and request else None
                heard = time.monotonic()
            except requests.RequestException as error:
                if time.monotonic() - heard > SILENCE_SECONDS:
                    raise DemoError(
                        f"Airflow's API has not answered for {SILENCE_SECONDS} s: {error}"
                    ) from error
                time.sleep(POLL_SECONDS)
                continue
            board.tasks(task_rows(instances, request=request, status=status or ""))
            if state == "success":
                return
            if state == "failed":
                raise _failure(stack, self.dag_id, run_id, instances)
            time.sleep(POLL_SECONDS)
        raise DemoError(
            f"The run was not over after {RUN_SECONDS} s.",
            log_tail=stack.airflow.service.tail(),
            log_name=str(stack.airflow.service.log),
        )

    def _collect(self, stack: Stack, board: Board, run_id: str) -> Any:
        """Copy the landed files to this machine and compare the clip with the hash that the DAG returned."""
        board.step("Copying the clip out of the bucket")
        api = stack.airflow.api
        clip = api.xcom(self.dag_id, run_id, "wait")
        landed = api.xcom(self.dag_id, run_id, "land")
        uris = {"Clip": landed["uri"], "Poster": landed["poster_uri"], "Sidecar": landed["sidecar_uri"]}
        output = self._options.output.resolve()
        files = {label: stack.store.download(uri, output) for label, uri in uris.items() if uri}
        digest = hashlib.sha256(files["Clip"].read_bytes()).hexdigest()
        if digest != landed["sha256"]:
            raise DemoError(f"{files['Clip']} has the SHA-256 {digest}; the DAG landed {landed['sha256']}.")
        return Result(clip, landed, files, stack.queue.billed(), board.seconds)

    def _wait_for_the_end(self, stack: Stack) -> None:
        """Keep the servers running until a stopping signal arrives."""
        self._console.print(
            f"\n  Airflow   {stack.airflow.api.base_url}/dags/{self.dag_id}"
            f"\n  Login     {USERNAME}   password {stack.airflow.password}"
            f"\n  Gallery   {stack.airflow.api.base_url}/plugin/kling-gallery"
            f"\n  Queue     {stack.queue.url}"
            f"\n  S3        {stack.store.url}"
            f"\n  Logs      {stack.home}"
            "\n\n  Everything stays up until you press Ctrl-C.",
            highlight=False,
            soft_wrap=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                signal.pause()


def run_parameters(options: Options, stack: Stack) -> dict[str, Any]:
    """Put the photographs into the bucket; return the values of the DAG's params."""

    def stored(file: Path | None) -> str | None:
        return stack.store.upload(file, f"{BUCKET}/photographs/{file.name}") if file else None

    return {
        "start_frame": stored(options.start),
        "end_frame": stored(options.end),
        "prompt": options.prompt,
        "duration": options.duration,
        "sound": options.sound,
        "bucket": BUCKET,
    }


def report(console: Console, error: DemoError) -> None:
    """Print why a demo ended, with the end of the log that shows it."""
    if error.log_tail:
        console.print(f"\n  The end of {error.log_name}:", style="dim", highlight=False)
        console.print(error.log_tail, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n✘ {error.reason}", style="bold red", markup=False, highlight=False, soft_wrap=True)


def _failure(stack: Stack, dag_id: str, run_id: str, instances: list[dict[str, Any]]) -> DemoError:
    """Return an error that names the failed task and the reason, with the end of its log."""
    failed = [instance for instance in instances if instance["state"] == "failed"]
    if not failed:
        return DemoError("The run failed though no task did.", log_tail=stack.airflow.service.tail())
    task = failed[0]["task_id"]
    entries = stack.airflow.api.log_entries(dag_id, run_id, task, failed[0]["try_number"])
    return DemoError(
        f"Task `{task}` failed. {cause(entries) or ''}".rstrip(),
        log_tail="\n".join(list(as_lines(entries))[-LOG_LINES:]),
        log_name=f"the log of task `{task}`",
    )
