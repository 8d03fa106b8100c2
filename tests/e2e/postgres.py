"""A PostgreSQL of our own, in a temporary folder, for as long as it is needed."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.demo.cluster import clean_environment
from kling_airflow.demo.ports import LOOPBACK, free_ports
from kling_airflow.demo.service import Service
from tests import debian

if TYPE_CHECKING:
    from types import TracebackType

DEBIAN = Path("/usr/lib/postgresql")
USER = "postgres"
STARTUP_SECONDS = 60
# Nothing in it outlives the test, so nothing has to survive a power cut.
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=300")
HASTY = ("synchronous_commit=off",)


class Postgres:
    """A server on a free port, ready when entered; the folder goes with it.

    :param host: the address that it listens on.
    :param clients: the network that may log in besides this machine, such as ``10.0.0.0/24``.
    :param killable: whether what it has confirmed has to survive a kill of the server.
    """

    def __init__(self, host: str = LOOPBACK, *, clients: str | None = None, killable: bool = False) -> None:
        self._binaries = find_binaries() or install()
        self._password = secrets.token_hex(16)
        self._folder: Path | None = None
        self._service: Service | None = None
        self._host, self._clients = host, clients
        self._settings = SETTINGS if killable else (*SETTINGS, *HASTY)
        (self.port,) = free_ports(1)

    @property
    def url(self) -> str:
        """The database's address as SQLAlchemy takes it, for synchronous and asynchronous engines alike."""
        return f"postgresql+psycopg://{USER}:{self._password}@{self._host}:{self.port}/postgres"

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Make a database in a folder of its own, and start the server.

        :raises DemoError: if it doesn't start.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        if self._service is not None:
            self._service.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill_and_restart(self) -> None:
        """End every process of the server without a farewell, and start it again on the same files.

        :raises DemoError: if it doesn't start.
        """
        assert self._service is not None, "PostgreSQL is not running"
        self._service.stop(grace=0.0)
        self._service.start()
        self._service.wait_until_ready(self._answers, timeout=STARTUP_SECONDS)

    def require_running(self) -> None:
        """Check that the server hasn't ended."""
        if self._service is not None:
            self._service.require_running()

    def _start(self) -> None:
        # Not below pytest's folder: that one is closed to other users, and PostgreSQL refuses to be root.
        self._folder = folder = Path(tempfile.mkdtemp(prefix="kling-airflow-postgres-"))
        password, data, log = folder / "password", folder / "data", folder / "server.log"
        password.write_text(self._password)
        if os.geteuid() == 0:
            for path in (folder, password):
                shutil.chown(path, USER, USER)
        initdb = ["initdb", "-D", str(data), "-U", USER, "-A", "scram-sha-256", "--pwfile", str(password)]
        subprocess.run(
            self._as_its_user([*initdb, "--no-sync", "--no-locale", "-E", "UTF8"]),
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        if self._clients is not None:
            with (data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {self._clients} scram-sha-256\n")
        options = [*self._settings, f"listen_addresses={self._host}", f"port={self.port}"]
        options.append(f"unix_socket_directories={folder}")
        flags = [flag for option in options for flag in ("-c", option)]
        self._service = Service(
            "PostgreSQL",
            self._as_its_user(["postgres", "-D", str(data), *flags]),
            log=log,
            env=clean_environment(),
            cwd=folder,
        )
        self._service.start()
        self._service.wait_until_ready(self._answers, timeout=STARTUP_SECONDS)

    def _answers(self) -> bool:
        asked = [str(self._binaries / "pg_isready"), "-q", "-h", self._host, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _as_its_user(self, command: list[str]) -> list[str]:
        """Return the command with its path, to be run by the user that PostgreSQL accepts."""
        program = [str(self._binaries / command[0]), *command[1:]]
        if os.geteuid() != 0:
            return program
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", *program]


def find_binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL server on this machine, or None."""
    versions = [path for path in DEBIAN.glob("*/bin") if (path / "initdb").is_file()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name.partition(".")[0]))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def install() -> Path:
    """Install Debian's PostgreSQL, without a cluster of its own, and return the folder of its programs.

    :raises RuntimeError: where that can't be done, saying what to install by hand.
    """
    if os.geteuid() == 0:
        defaults = Path("/etc/postgresql-common/createcluster.d")
        defaults.mkdir(parents=True, exist_ok=True)
        (defaults / "kling-airflow.conf").write_text("create_main_cluster = false\n")
    debian.install(
        "postgresql", why="These tests need a PostgreSQL server (initdb, postgres), and there is none"
    )
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("apt-get installed `postgresql`, but there is no initdb in /usr/lib/postgresql.")
    return binaries
