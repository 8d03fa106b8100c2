"""A server that the demo starts, watches and stops, with every process that the server started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.demo.errors import DemoError

if TYPE_CHECKING:
    import psutil

POLL_SECONDS = 0.25
TAIL_LINES = 30
# A server may keep running without its port, as `airflow standalone` does; the log then has this text.
FATAL = "address already in use"


class Service:
    """A process in its own process group; its output goes to a log file.

    :param name: what people call it.
    :param command: the program and its arguments.
    :param log: the file that gets what it prints.
    :param env: its whole environment.
    :param cwd: the folder it runs in.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._env = dict(env)
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.ready_after: float | None = None

    def start(self) -> None:
        """Start it; a Ctrl-C at the terminal reaches the demo and not this process.

        :raises DemoError: if the program can't be executed.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started_at = time.monotonic()
        with self.log.open("wb") as output:
            try:
                self._process = subprocess.Popen(  # noqa: S603 -- our own commands
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise DemoError(f"{self.name} can't be started: {error}") from error

    @property
    def running(self) -> bool:
        """Whether the process was started and not stopped."""
        return self._process is not None and self._process.poll() is None

    def require_running(self) -> None:
        """Raise an error with the end of the log if the process has ended.

        :raises DemoError: if the process has ended.
        """
        if self._process is not None and (code := self._process.poll()) is not None:
            how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
            raise self._error(f"{self.name} ended by itself: {how}.")

    def wait_until_ready(self, is_ready: Callable[[], bool], *, timeout: float) -> None:
        """Wait until a check is true.

        :param is_ready: the check; ``OSError`` (which a refused connection is) counts as "not yet".
        :param timeout: seconds from the start of the process.
        :raises DemoError: if the process ends first, says that its port is taken, or the time is over.
        """
        while True:
            self.require_running()
            if FATAL in self.tail().lower():
                raise self._error(f"{self.name} can't listen: another program has its port.")
            with suppress(OSError):
                if is_ready():
                    self.ready_after = time.monotonic() - self.started_at
                    return
            if time.monotonic() - self.started_at > timeout:
                raise self._error(f"{self.name} was not ready after {timeout:.0f} s.")
            time.sleep(POLL_SECONDS)

    def stop(self, grace: float = 15.0) -> None:
        """Stop it and every process below it: SIGTERM, and SIGKILL to what is left after the grace.

        :param grace: seconds.
        """
        import psutil

        if self._process is None:
            return
        members = self._family(self._process.pid)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        for member in members:
            with suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(member.pid) != self._process.pid:
                    member.terminate()
        for survivor in _gone_after(grace, members):
            with suppress(psutil.Error):
                survivor.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._process = None

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the end of the log.

        :param lines: at most so many.
        """
        try:
            with self.log.open(encoding="utf-8", errors="replace") as text:
                return "".join(deque(text, maxlen=lines)).rstrip()
        except FileNotFoundError:
            return ""

    def _error(self, reason: str) -> DemoError:
        return DemoError(reason, log_tail=self.tail(), log_name=str(self.log))

    @staticmethod
    def _family(group: int) -> list[psutil.Process]:
        """Return the processes of its group and its descendants; Airflow gives each task its own group."""
        import psutil

        family: dict[int, psutil.Process] = {}
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(group)
            family = {process.pid: process for process in (leader, *leader.children(recursive=True))}
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) == group:
                    family.setdefault(process.pid, process)
        return list(family.values())


def _gone_after(grace: float, members: list[psutil.Process]) -> list[psutil.Process]:
    """Wait for the processes to end; return those that did not."""
    import psutil

    # A zombie (its parent has not read the exit code) counts as ended.
    def alive(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    # The caller reads the leader's exit code; until then the leader is a zombie.
    deadline = time.monotonic() + grace
    while members := [process for process in members if alive(process)]:
        if time.monotonic() > deadline:
            return members
        time.sleep(0.1)
    return []
