"""A machine of its own for each part of a cluster: host name, processes, disk, address, and clock."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests import debian
from tests.e2e.cluster import Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.cluster.network import Network

TEMPORARY_MB = 96
"""Size of a machine's ``TMPDIR``, so that it can be full."""
SYN_SENT = "02"
"""How ``/proc/net/tcp`` writes the state of a connection whose first packet has no answer."""
BOOT = """
hostname {name}
mount --bind {disk} {local}
mount -t tmpfs -o size=4k none {disks}
mount -t tmpfs -o size={temporary}m none {local}/tmp
cd {local}
exec {command}
"""


class Machine(Part):
    """One part of Airflow on a machine of its own, to be killed, stalled, cut off, and started anew.

    Its disk is in the same place on each machine, and holds nothing of another one's.

    :param name: its host name; the log on the outside is named so, too.
    :param command: of the part.
    :param home: the cluster's folder.
    :param network: that it is in.
    :param env: the part's whole environment.
    :param clock: seconds that its clock is fast.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        home: Path,
        network: Network,
        env: Mapping[str, str],
        clock: float = 0.0,
    ) -> None:
        self._home, self._network = home, network
        self._program = list(command)
        self.clock = clock
        super().__init__(
            name, [], log=home / "logs" / f"{name}.log", env=dict(env) | _clock(clock, home), cwd=home
        )

    @property
    def disk(self) -> Path:
        """Its disk as this process sees it."""
        return self._home / "disks" / self.name

    @property
    def pid(self) -> int:
        """The process that is number 1 on the machine."""
        assert self._process is not None, f"{self.name} is not running"
        (first,) = psutil.Process(self._process.pid).children()
        return first.pid

    def start(self) -> None:
        """Boot it; what an earlier boot left on its disk is there, except what was in ``TMPDIR``."""
        local = local_disk(self._home)
        for folder in (self.disk / "tmp", local):
            folder.mkdir(parents=True, exist_ok=True)
        script = BOOT.format(
            name=self.name,
            disk=shlex.quote(str(self.disk)),
            local=shlex.quote(str(local)),
            disks=shlex.quote(str(self._home / "disks")),
            temporary=TEMPORARY_MB,
            command=shlex.join(self._program),
        )
        isolated = ["unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._command = [*self._network.enter(self.name), *isolated, "sh", "-ec", script]
        super().start()

    def kill(self) -> None:
        """Let it lose power: every process on it is gone at once."""
        with suppress(psutil.Error, ValueError):
            os.kill(self.pid, signal.SIGKILL)
        super().kill()

    def end(self, grace: float, *, whole: bool = False) -> bool:
        """End it as Kubernetes ends a pod: SIGTERM to process 1, and a loss of power after the grace.

        :param grace: seconds.
        :param whole: whether every process gets the SIGTERM, as an init process in a pod may hand it on.
        :returns: whether it ended by itself.
        """
        assert self._process is not None, f"{self.name} is not running"
        for process in self.processes() if whole else [psutil.Process(self.pid)]:
            with suppress(psutil.Error):
                process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=grace)
            self._process = None
            return True
        self.kill()
        return False

    def processes(self) -> list[psutil.Process]:
        """Return every process on it."""
        with suppress(psutil.Error, ValueError, AssertionError):
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        return []

    def cut_off(self) -> None:
        """Take the queue away from it."""
        self._network.cut(self.name)

    def reconnect(self) -> None:
        """Give it the queue back."""
        self._network.mend(self.name)

    def calls(self, address: str) -> bool:
        """Return whether a process on it tries to connect to an address, and has no answer yet."""
        # The kernel's table has the bytes of an address from right to left.
        wanted = bytes(int(part) for part in reversed(address.split("."))).hex().upper()
        rows = Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]
        return any(row.split()[2].startswith(f"{wanted}:") and row.split()[3] == SYN_SENT for row in rows)

    def fill_disk(self) -> None:
        """Leave no room in its ``TMPDIR``."""
        with suppress(OSError), (self._temporary / "full").open("wb") as full:
            while True:
                full.write(bytes(1 << 20))
                full.flush()

    def empty_disk(self) -> None:
        """Make room again."""
        (self._temporary / "full").unlink(missing_ok=True)

    @property
    def _temporary(self) -> Path:
        return Path(f"/proc/{self.pid}/root{local_disk(self._home)}/tmp")


def local_disk(home: Path) -> Path:
    """Return where each machine of a cluster finds its own disk."""
    return home / "disk"


def _clock(seconds: float, home: Path) -> dict[str, str]:
    """Return what makes a clock wrong: the time of day only."""
    if not seconds:
        return {}
    library = home / "wrong_clock.so"
    if not library.exists():
        if shutil.which("cc") is None:
            debian.install("gcc", "libc6-dev", why="A machine with a wrong clock needs a C compiler")
        source = Path(__file__).with_name("wrong_clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_FAST": f"{seconds:.0f}"}
