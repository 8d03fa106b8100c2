"""The demo's progress while it runs: a live board on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType

NEEDS = {"submit": ("start_frame", "end_frame"), "wait": ("submit",), "land": ("wait",)}
TASKS = ("start_frame", "end_frame", "submit", "wait", "land")
RUNNING = {
    "start_frame": "the photograph is read, cropped, scaled, written to the bucket",
    "end_frame": "the photograph is read, cropped, scaled, written to the bucket",
    "submit": "the frames go up, the queue takes the request",
    "wait": "hands the wait to the triggerer, or takes the clip from it",
    "land": "the clip is downloaded, checked, written to the bucket",
}
LOOKS = {
    "success": ("✔", "green"),
    "failed": ("✘", "bold red"),
    "upstream_failed": ("✘", "red"),
    "skipped": ("»", "magenta"),
    "deferred": ("◷", "bright_magenta"),
    "running": ("▶", "bright_green"),
    "queued": ("…", "yellow"),
    "scheduled": ("…", "yellow"),
    "up_for_retry": ("↻", "yellow"),
}
NEVER_RAN = ("upstream_failed", "skipped")
FINISHED = ("success", "failed", "upstream_failed", "skipped", "removed")


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task of the run, at one moment.

    :param state: Airflow's word for it; ``waiting`` where Airflow has none yet.
    :param started: when it began, if it did.
    :param ended: when it ended, if it did.
    :param doing: what is happening, or what it waits for.
    """

    task_id: str
    state: str
    started: datetime | None
    ended: datetime | None
    doing: str

    @property
    def seconds(self) -> float | None:
        """Seconds since the task started, or that it took."""
        if self.started is None:
            return None
        return max(0.0, ((self.ended or datetime.now(UTC)) - self.started).total_seconds())


def task_rows(instances: list[dict[str, Any]], *, request: str = "", status: str = "") -> list[TaskRow]:
    """Turn the REST API's task instances into rows, in the DAG's order.

    :param instances: as ``AirflowAPI.task_instances`` returns them.
    :param request: id of the request that is waited for, if there is one yet.
    :param status: the queue's word on it.
    """
    by_id = {instance["task_id"]: instance for instance in instances}
    order = [*(name for name in TASKS if name in by_id), *(name for name in by_id if name not in TASKS)]
    states = {name: by_id[name]["state"] or "waiting" for name in order}
    return [
        TaskRow(
            task_id=name,
            state=states[name],
            started=None if states[name] in NEVER_RAN else _moment(by_id[name]["start_date"]),
            ended=_moment(by_id[name]["end_date"]) if states[name] in FINISHED else None,
            doing=_doing(name, states, request, status),
        )
        for name in order
    ]


def _doing(name: str, states: Mapping[str, str], request: str, status: str) -> str:
    """Describe what a task does now, or what it waits for."""
    match states[name]:
        case "running":
            return RUNNING.get(name, "")
        case "deferred":
            if status == "success":
                return f"request {request[:8]} is done; the triggerer is about to look"
            known = f"request {request[:8]} is {status or 'pending'}" if request else "waits for the queue"
            return f"{known}; no worker slot is used"
        case "queued" | "scheduled":
            return "waits for a worker process"
        case "up_for_retry":
            return "waits for its next try"
        case "waiting":
            open_ones = [need for need in NEEDS.get(name, ()) if states.get(need) not in FINISHED]
            return f"waits for {', '.join(open_ones)}" if open_ones else "waits for the scheduler"
        case "upstream_failed":
            return "an earlier task failed"
        case _:
            return ""


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def clock(seconds: float | None) -> str:
    """Return seconds as ``m:ss``, or nothing."""
    if seconds is None:
        return ""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Board:
    """The demo's progress on a console; a context manager.

    On a terminal it is redrawn in place. Elsewhere (a pipe, CI) each change is one line.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._step = ""
        self._services: list[tuple[str, float, str]] = []
        self._rows: list[TaskRow] = []
        self._spinner = Spinner("dots", style="cyan")
        self._live: Live | None = None

    def __enter__(self) -> Board:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self.render, console=self._console, refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._step = ""
            self._live.stop()
            self._live = None

    @property
    def seconds(self) -> float:
        """Seconds since the demo started."""
        return time.monotonic() - self._started

    def step(self, text: str) -> None:
        """Show the current step."""
        self._step = text
        self._line(text)

    def service(self, name: str, seconds: float, address: str) -> None:
        """Show that a server is ready.

        :param seconds: how long that took.
        """
        self._services.append((name, seconds, address))
        self._line(f"{name} is up after {seconds:.1f} s: {address}")

    def tasks(self, rows: list[TaskRow]) -> None:
        """Show the tasks as they are now."""
        before = {row.task_id: (row.state, row.doing) for row in self._rows}
        self._rows = rows
        for row in rows:
            if before.get(row.task_id) != (row.state, row.doing) and row.state != "waiting":
                self._line(f"{row.task_id:<12} {row.state:<10} {clock(row.seconds):>5}  {row.doing}".rstrip())

    def _line(self, text: str) -> None:
        if self._live is None:
            self._console.print(
                f"[{clock(self.seconds):>5}] {text}", markup=False, highlight=False, soft_wrap=True
            )

    def render(self) -> RenderableType:
        """Return the whole board as it is now."""
        parts: list[RenderableType] = []
        if self._services:
            parts.append(self._service_table())
        if self._rows:
            parts.append(Padding(self._task_table(), (1, 0, 0, 0)))
        if self._step:
            self._spinner.update(text=Text(f"{self._step}  {clock(self.seconds)}", style="cyan"))
            parts.append(Padding(self._spinner, (1, 0, 0, 2)))
        return Group(*parts)

    def _service_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, seconds, address in self._services:
            table.add_row(
                Text("  ✔", style="green"), name, Text(f"{seconds:.1f} s", style="dim"), Text(address)
            )
        return table

    def _task_table(self) -> Table:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for heading in ("Task", "State"):
            table.add_column(heading, no_wrap=True)
        table.add_column("Elapsed", justify="right", no_wrap=True)
        table.add_column("What is happening", ratio=1)
        for row in self._rows:
            sign, style = LOOKS.get(row.state, ("·", "dim"))
            table.add_row(
                row.task_id,
                Text(f"{sign} {row.state}", style=style),
                clock(row.seconds),
                Text(row.doing, style="dim"),
            )
        return table
