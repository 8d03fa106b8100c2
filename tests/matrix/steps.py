"""What is done in each cell, and what is kept of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.matrix import suite
from tests.matrix.cells import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.matrix.environment import Environment

BRIEF: Final = (
    "tests/hooks",
    "tests/integration/test_ledger_s3.py",
    "tests/sensors",
    "tests/transfers",
    "tests/triggers",
    "tests/test_airflow_compat.py",
    "tests/test_exceptions.py",
    "tests/test_get_provider_info.py",
)
"""What touches Airflow at each of its borders."""
WHOLE: Final = ("tests",)
_ELSEWHERE: Final = (
    "tests/browser",
    "tests/chaos",
    "tests/cluster",
    "tests/demo",
    "tests/deploy",
    "tests/docs",
    "tests/e2e",
    "tests/integration/test_example_dag.py",  # a step of its own
    "tests/matrix",
    "tests/packaging",
    "tests/simulator",
    "tests/structure",
    "tests/submission/test_state_machine.py",
)
"""What has nothing that differs between versions, or is done by another step."""
WITHOUT_AIRFLOW: Final = ("tests/gmi", "tests/media", "tests/models", "tests/polling")
"""Tests of what knows nothing of Airflow: with other libraries or another Python they may end otherwise, with
another Airflow they can't. They run in the cells of the oldest and of the newest libraries and Pythons."""
_BESIDE: Final = (
    "tests", "benchmarks", "dags", "deploy", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md",
)  # fmt: skip
_FOREIGN: Final = ("PYTHON", "AIRFLOW_", "_AIRFLOW_", "VIRTUAL_ENV", "COV_")


class Workplace:
    """A folder with the tests in it, but with the installed package: what is tested is the wheel.

    :param environment: prepared, the wheel added.
    """

    def __init__(self, environment: Environment) -> None:
        self.cell = environment.cell
        self.python = environment.python
        self.folder = environment.folder.parent / f"{environment.cell.name}.run"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.commit = suite.commit()
        for name in _BESIDE:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(
                    source, self.folder / name, ignore=shutil.ignore_patterns("__pycache__", "out")
                )
            else:
                shutil.copy(source, self.folder)
        found = self.run(
            "-c", "import kling_airflow; print(kling_airflow.__path__[0])", folder=self.folder / "docs"
        )
        (self.folder / "kling_airflow").symlink_to(found.stdout.strip())

    def run(
        self, *arguments: str, folder: Path | None = None, log: Path | None = None, timeout: float = 5400
    ) -> subprocess.CompletedProcess[str]:
        """Run the cell's Python in the folder, without this process's settings.

        :param log: where what it prints goes; without one it is returned.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        environment["PATH"] = os.pathsep.join([str(self.python.parent), environment.get("PATH", os.defpath)])
        environment["AIRFLOW_HOME"] = str(self.folder / "airflow")
        environment["AIRFLOW__CORE__TEST_CONNECTION"] = "Enabled"
        command = [str(self.python), "-W", "ignore", *arguments]
        with ExitStack() as stack:
            to = stack.enter_context(log.open("w")) if log else subprocess.PIPE
            return subprocess.run(
                command,
                cwd=folder or self.folder,
                env=environment,
                stdout=to,
                stderr=subprocess.STDOUT if log else subprocess.PIPE,
                text=True,
                check=False,
                timeout=timeout,
            )

    def probe(self) -> dict[str, Any]:
        """Return what this Airflow makes of the provider's metadata, and which features it has."""
        return _json(self.run("-m", "tests.matrix.probe"))

    def example(self) -> str:
        """Run the example DAG through ``dag.test()``; return how it ended."""
        report = self._pytest("example", ["tests/integration/test_example_dag.py"])
        (counted,) = suite.files_of(report, self.folder).values()
        return "passed" if counted["passed"] and not counted["failed"] else "failed"

    def suite(self, selection: tuple[str, ...], tests: tuple[str, ...], *, again: bool) -> dict[str, Any]:
        """Run the unit suite, or a part of it; return what all files did when they were last run here.

        :param selection: files and folders that have to be run.
        :param tests: those to run now.
        :param again: of these only the files that failed when they were last run here, or never were run.
        :raises RuntimeError: if the run was ended before all files had been run; what each folder's files did
            until then is kept, part by part.
        """
        kept = self.python.parents[1] / ".suite.json"
        wanted = self._files(selection)
        now = [name for name in wanted if _within(name, tests)]
        if again:
            before = suite.read(kept)
            now = [name for name in now if name not in before or before[name]["failed"]]
        for files in _parts(now):
            report = self._pytest("suite", files, "-n", "3", "--dist", "loadfile")
            suite.keep(kept, suite.files_of(report, self.folder), self.commit)
        return suite.total(suite.read(kept), wanted)

    def _files(self, selection: tuple[str, ...]) -> list[str]:
        """Return the test files of a selection that this cell runs."""
        elsewhere = _ELSEWHERE if self.cell.libraries else (*_ELSEWHERE, *WITHOUT_AIRFLOW)
        files = (path.relative_to(self.folder) for path in self.folder.glob("tests/**/test_*.py"))
        names = sorted((path.as_posix() for path in files), key=lambda name: (name.count("/") > 1, name))
        return [name for name in names if _within(name, selection) and not _within(name, elsewhere)]

    def live(self, store: str) -> dict[str, Any]:
        """Run a real scheduler and triggerer.

        :param store: ``folder``, or ``store`` for the task state store.
        """
        return _json(self.run("-m", "tests.matrix.live", str(self.folder / f"live-{store}"), store))

    def _pytest(self, name: str, selection: list[str], *options: str) -> Path:
        """Run pytest; return its JUnit report."""
        report = self.folder / f"{name}.xml"
        # A test that hangs on this version must not hold up the cell.
        limits = ["--timeout", "900", "-p", "no:cacheprovider", "-v", "--tb=short", f"--junitxml={report}"]
        log = self.folder / f"{name}.log"  # shows while the tests run how far they are
        done = self.run("-u", "-m", "pytest", *limits, *options, *selection, log=log)
        if done.returncode not in suite.ENDED or not report.exists():
            raise RuntimeError(log.read_text(errors="replace")[-3000:])
        return report


def _parts(files: list[str], at_least: int = 40) -> Iterator[list[str]]:
    """Cut the suite where a folder ends: what a part did is kept, and each part starts three Pythons."""
    part: list[str] = []
    for _, folder in groupby(files, lambda name: name.split("/")[1] if name.count("/") > 1 else ""):
        part += folder
        if len(part) >= at_least:
            yield part
            part = []
    if part:
        yield part


def _within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _why(output: str) -> str:
    """Return what an output says went wrong: from the last exception on, not the logs behind it."""
    at = max(output.rfind(f"\n{kind}") for kind in ("AssertionError", "RuntimeError", "Traceback"))
    return output[max(at, 0) :].strip()[:1500]


def _json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise RuntimeError(_why(done.stdout + done.stderr))
    found: dict[str, Any] = json.loads(lines[-1])
    return found
