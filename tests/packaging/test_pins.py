"""The wheel fits what others have pinned: each release day's dependencies, and the managed platforms' own.

A floor that is raised too far shows here, as a set in which the package can no longer be installed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.matrix.cells import PINS
from tests.matrix.environment import uv

ROOT = Path(__file__).parents[2]
PLATFORMS = ROOT / "tests" / "matrix" / "platforms"
SETS = sorted([*PINS.glob("*.txt"), *PLATFORMS.glob("*.txt")])


def pins_of(path: Path) -> dict[str, str]:
    """Return the pins of a file; a platform's stand on those of the release day that its first line names."""
    text = path.read_text()
    found: dict[str, str] = {}
    if based := re.search(r"^# on (\S+\.txt)$", text, re.MULTILINE):
        found |= pins_of(PINS / based[1])
    for line in text.splitlines():
        if line and not line.startswith("#"):
            found[line.partition("==")[0]] = line
    return found


def compile_with(pins: list[str], extra: str, folder: Path) -> str:
    """Return what uv resolves the package to beside some pins.

    :raises RuntimeError: if there is no solution.
    """
    wanted, constraints = folder / "wanted.in", folder / "pins.txt"
    wanted.write_text(f"kling-airflow{extra} @ {ROOT.as_uri()}\n")
    constraints.write_text("\n".join(pins) + "\n")
    return uv(
        "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", "3.11",
        "--prerelease", "if-necessary-or-explicit", "--constraint", str(constraints), str(wanted),
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where there is no index of packages, and only there."""
    wanted = tmp_path_factory.mktemp("index") / "wanted.in"
    wanted.write_text("packaging\n")
    try:
        uv("pip", "compile", "--quiet", "--refresh", str(wanted))
    except RuntimeError as error:
        pytest.skip(f"no index of packages can be reached: {error}")


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
@pytest.mark.parametrize("extra", ["", "[s3]"])
def test_it_fits_what_others_have_pinned(path: Path, extra: str, index: None, tmp_path: Path) -> None:
    pins = pins_of(path)
    lines = compile_with(list(pins.values()), extra, tmp_path).splitlines()
    resolved = {line.partition("==")[0]: line.partition(" ;")[0].strip() for line in lines if "==" in line}
    kept = {name: pin for name, pin in pins.items() if name in resolved and "==" in pin and ";" not in pin}
    assert len(kept) > 60
    assert {name: line for name, line in resolved.items() if line != kept.get(name, line)} == {}


def test_a_floor_that_is_too_high_shows(index: None, tmp_path: Path) -> None:
    pins = pins_of(PINS / "3.1.8.txt")
    pins["apache-airflow-providers-common-compat"] = "apache-airflow-providers-common-compat==1.2.0"
    with pytest.raises(RuntimeError, match="common-compat"):
        compile_with(list(pins.values()), "", tmp_path)
