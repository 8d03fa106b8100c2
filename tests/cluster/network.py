"""A network of machines on this one: a bridge, and a network namespace with an address for each machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

ETC = Path("/etc/netns")
"""What ``ip netns exec`` puts over ``/etc`` for each namespace, the file ``hosts`` among it."""
SERVICES, QUEUE, FIRST = 1, 2, 10
"""The last number of the address of database, broker and store, of the queue, and of the first machine."""

NO_CARD = "02:00:00:00:00:01"


def why_not() -> str | None:
    """Return why this machine can't have such a network, or None if it can."""
    if os.geteuid() != 0:
        return "a network of machines needs root"
    for program in ("ip", "unshare", "nsenter"):
        if shutil.which(program) is None:
            return f"a network of machines needs the program `{program}` (Debian's iproute2 and util-linux)"
    allowed = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], check=False)
    return "this machine's root may make no namespaces" if allowed.returncode else None


class Network:
    """A bridge with the services' and the queue's address on it; a context manager.

    :param machines: the host names of the machines, which know each other by name.
    """

    def __init__(self, machines: tuple[str, ...]) -> None:
        self._machines = machines
        self._number = -1

    @property
    def cidr(self) -> str:
        """All its addresses."""
        return f"10.77.{self._number}.0/24"

    @property
    def services(self) -> str:
        """The address of the database, the broker and the object store."""
        return self._address(SERVICES)

    @property
    def queue(self) -> str:
        """The address of the request queue, which nothing else has: it can be cut off alone."""
        return self._address(QUEUE)

    def address(self, machine: str) -> str:
        """Return the address of a machine."""
        return self._address(FIRST + self._machines.index(machine))

    def namespace(self, machine: str) -> str:
        """Return the name of a machine's network namespace."""
        return f"kling{self._number}-{machine}"

    def enter(self, machine: str) -> list[str]:
        """Return the beginning of a command that is to run in a machine's network."""
        return ["ip", "netns", "exec", self.namespace(machine)]

    def cut(self, machine: str) -> None:
        """Take the queue away from a machine: its packets vanish, and nothing answers.

        They go to a network card that no machine has. A route that drops them would fail each call at once.
        """
        self._neighbour("replace", machine, "lladdr", NO_CARD, "nud", "permanent")

    def mend(self, machine: str) -> None:
        """Give the queue back."""
        with suppress(subprocess.CalledProcessError):
            self._neighbour("del", machine)

    def __enter__(self) -> Network:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Make the bridge and the namespaces.

        :raises RuntimeError: if this machine can't have them.
        """
        if reason := why_not():
            raise RuntimeError(reason)
        self._number = next(number for number in range(200) if self._make_bridge(number))
        for last in (SERVICES, QUEUE):
            _ip("address", "add", f"{self._address(last)}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        try:
            for machine in self._machines:
                self._connect(machine)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove everything."""
        for machine in self._machines:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", self.namespace(machine))
            shutil.rmtree(ETC / self.namespace(machine), ignore_errors=True)
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._bridge)

    @property
    def _bridge(self) -> str:
        return f"kling{self._number}"

    def _make_bridge(self, number: int) -> bool:
        made = subprocess.run(
            ["ip", "link", "add", f"kling{number}", "type", "bridge"], check=False, capture_output=True
        )
        return made.returncode == 0

    def _connect(self, machine: str) -> None:
        name = self.namespace(machine)
        cable = f"kl{self._number}v{self._machines.index(machine)}"
        _ip("netns", "add", name)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", cable, "master", self._bridge, "up")
        inside = ["-n", name]
        _ip(*inside, "address", "add", f"{self.address(machine)}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip(*inside, "link", "set", device, "up")
        known = [f"{self.address(other)} {other}" for other in self._machines]
        folder = ETC / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *known, ""]))

    def _neighbour(self, change: str, machine: str, *what: str) -> None:
        _ip("-n", self.namespace(machine), "neighbour", change, self.queue, *what, "dev", "eth0")

    def _address(self, last: int) -> str:
        return f"10.77.{self._number}.{last}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
