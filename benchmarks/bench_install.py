"""How long an installation takes, and how many releases the installer tries: ``make bench ARGS=install``.

Each row is a new environment with Airflow in it, as its release day had it; the package is resolved into it
with plain pip or uv, by a dry run that downloads metadata and installs nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._table import publish
from tests.matrix.cells import NEWEST_STABLE, OLDEST, Cell, chosen
from tests.matrix.environment import Environment, build_wheel, uv

AIM_SECONDS = 60
LIMIT_SECONDS = 600
EXTRAS = ("", "[s3]")
Row = list[object]


def with_pip(python: Path, wanted: str) -> tuple[float, int, str]:
    """Return seconds, releases looked at, and how a dry run of pip ended."""
    command = [str(python), "-m", "pip", "install", "--dry-run", "--no-cache-dir", wanted]
    return _timed(command, re.compile(r"^\s*(?:Downloading|Obtaining dependency information)", re.MULTILINE))


def with_uv(python: Path, wanted: str) -> tuple[float, int, str]:
    """Return seconds, releases looked at, and how a dry run of uv ended, without its cache."""
    began = time.monotonic()
    done = uv("-v", "pip", "install", "--dry-run", "--no-cache", "--python", str(python), wanted, check=False)
    tried = len(re.findall(r"Selecting: ", done.stderr))
    return time.monotonic() - began, tried, "ok" if done.returncode == 0 else "failed"


def _timed(command: list[str], tried: re.Pattern[str]) -> tuple[float, int, str]:
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return time.monotonic() - began, 0, f"ended after {LIMIT_SECONDS} s"
    found = len(tried.findall(done.stdout))
    return time.monotonic() - began, found, "ok" if done.returncode == 0 else "failed"


def main() -> int:
    """Measure, print, and return 1 if an installation failed or took longer than aimed at."""
    rows: list[Row] = []
    late = False
    with tempfile.TemporaryDirectory(prefix="kling-airflow-install-") as folder:
        wheel = build_wheel(Path(folder) / "wheel")
        for cell in cells():
            environment = Environment(cell, Path(folder))
            environment.prepare()
            uv("pip", "install", "--quiet", "--python", str(environment.python), "pip")
            for extra in EXTRAS:
                wanted = f"kling_airflow{extra} @ {wheel.as_uri()}"
                for name, installer in (("pip", with_pip), ("uv", with_uv)):
                    seconds, tried, ended = installer(environment.python, wanted)
                    rows.append(
                        [cell.airflow, f"kling_airflow{extra}", name, round(seconds, 1), tried, ended]
                    )
                    late |= ended != "ok" or seconds > AIM_SECONDS
    publish(
        "install",
        "Installing the package into an Airflow of its release day, without caches",
        ["Airflow", "what", "with", "seconds", "releases looked at", "ended"],
        rows,
        notes=[f"Aim: under {AIM_SECONDS} s each."],
    )
    return 1 if late else 0


def cells() -> list[Cell]:
    """Return the oldest and the newest stable Airflow, on this Python."""
    return [chosen([version])[0] for version in (OLDEST, NEWEST_STABLE)]


if __name__ == "__main__":
    sys.exit(main())
