"""A cell's environment: an Airflow as on its release day, and the built wheel added to it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from tests.matrix.cells import ROOT, Cell

TOOLS: Final = (
    "fastapi", "gmicloud==0.1.10", "hypothesis", "jsonschema", "moto[server]", "psutil", "pytest",
    "pytest-asyncio", "pytest-timeout", "pytest-xdist", "requests", "rich", "schemathesis", "tqdm",
    "trustme", "uvicorn",
)  # fmt: skip
"""What the suite needs besides; Airflow's own pins decide about everything that both need."""


def uv(*arguments: str, check: bool = True, downloads: bool = False) -> subprocess.CompletedProcess[str]:
    """Run uv: the one beside this Python, else the one on the path.

    :param downloads: whether uv may download a Python.
    :raises RuntimeError: with its last lines, if it fails and ``check`` is on.
    """
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise RuntimeError("The matrix needs uv: pip install uv")
    environment = os.environ | {"UV_NO_PROGRESS": "1"}
    environment["UV_PYTHON_DOWNLOADS"] = "automatic" if downloads else "never"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment, check=False)
    if check and done.returncode:
        raise RuntimeError(f"uv {' '.join(arguments[:3])}: {done.stderr.strip()[-2000:]}")
    return done


def interpreter(version: str) -> str | None:
    """Return a Python of a minor version, None where this machine has none."""
    candidates = [Path(sys.executable)] if f"{sys.version_info[0]}.{sys.version_info[1]}" == version else []
    candidates += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if found := shutil.which(f"python{version}"):
        candidates.append(Path(found))
    for candidate in candidates:
        asked = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() == version:
            return str(candidate)
    return None


def build_wheel(folder: Path) -> Path:
    """Build the wheel that every cell installs; return its path."""
    shutil.rmtree(folder, ignore_errors=True)
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def lower_bounds() -> list[str]:
    """Return the package's dependencies, those of its S3 extra too, each at its lower bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["s3"]]
    return [line.replace(">=", "==") for line in wanted if not line.startswith("apache-airflow>")]


class Environment:
    """The environment of a cell, kept between runs as long as its pins stay the same.

    :param folder: of all environments.
    """

    def __init__(self, cell: Cell, folder: Path) -> None:
        self.cell = cell
        self.folder = folder / cell.name
        self.python = self.folder / "bin" / "python"
        self._base = self.folder / ".base"

    def prepare(self) -> None:
        """Install Airflow with its release day's dependencies, unless it is there.

        :raises RuntimeError: if there is no such Python here or for download, or no such package.
        """
        wanted = hashlib.sha256(self.cell.pins.read_bytes()).hexdigest()
        if self._base.exists() and self._base.read_text().startswith(wanted):
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        base = interpreter(self.cell.python) or self.cell.python
        uv("venv", "--quiet", "--python", base, str(self.folder), downloads=True)
        self._run("install", "-r", str(self.cell.pins))
        frozen = [f"{name}=={version}" for name, version in self._frozen().items()]
        self._base.write_text("\n".join([wanted, *frozen]) + "\n")

    def add(self, wheel: Path) -> tuple[list[str], list[str]]:
        """Install the wheel with its S3 extra, then the suite's tools; return what was added, and what moved.

        The release day's pins hold what is there, as Airflow's documentation asks of every installation. In
        the cell of the lower bounds, the package's own dependencies are at theirs instead. The tools, and
        what of the package's dependencies Airflow lacks, have the versions that ``beside`` names: a release
        of another project fails no cell.
        """
        before = self._reset()
        wanted = [f"kling-airflow[s3] @ {wheel.as_uri()}"]
        beside = ["--constraint", str(self.cell.beside)]
        if self.cell.lowest:
            self._run("install", *wanted, *lower_bounds())
        else:
            self._run("install", "--constraint", str(self.cell.pins), *beside, *wanted)
        after = self._frozen()
        added = sorted(f"{name} {after[name]}" for name in after.keys() - before.keys() - {"kling-airflow"})
        moved = sorted(
            f"{name} {before[name]} -> {after.get(name, 'gone')}"
            for name in before
            if after.get(name) != before[name]
        )
        pinned = self.folder / "constraints.txt"
        lines = [f"{name}=={version}\n" for name, version in after.items() if "@" not in version]
        pinned.write_text("".join(lines))
        self._run("install", "--constraint", str(pinned), *beside, *TOOLS)
        return added, moved

    def _reset(self) -> dict[str, str]:
        """Take the environment back to Airflow as on its release day; return what it has."""
        lines = self._base.read_text().splitlines()[1:]
        base = dict(line.split("==", 1) for line in lines)
        there = self._frozen()
        if extra := sorted(there.keys() - base.keys()):
            self._run("uninstall", *extra)
        if other := [f"{name}=={version}" for name, version in base.items() if there.get(name) != version]:
            self._run("install", "--no-deps", *other)
        return base

    def _frozen(self) -> dict[str, str]:
        lines = self._run("freeze").stdout.splitlines()
        parts = [line.replace(" @ ", "==@").partition("==") for line in lines]
        return {name: version for name, mark, version in parts if mark}

    def _run(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return uv("pip", command, "--quiet", "--python", str(self.python), *arguments, check=check)
