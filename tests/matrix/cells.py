"""The cells of the matrix: which Airflow, with which Python, and with the dependencies of which day."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PINS: Final = HERE / "pins"
BESIDE: Final = HERE / "beside"
RESULTS: Final = HERE / "results"


@dataclass(frozen=True)
class Cell:
    """One environment.

    :param airflow: the version of Airflow.
    :param day: the day after its release: what the index had then are its dependencies.
    :param python: minor version of Python.
    :param lowest: the package's own dependencies at their lower bounds instead of the newest that fit.
    :param libraries: whether its libraries, or its Python, are at an end of what is supported.
    :param in_ci: whether ``.ci/run`` runs it; the rest is for ``make matrix``.
    """

    airflow: str
    day: str
    python: str = "3.11"
    lowest: bool = False
    libraries: bool = False
    in_ci: bool = False

    @property
    def name(self) -> str:
        """Its name in files and on the command line: ``3.1.8-py3.11``, ``2.11.0-py3.11-lowest``."""
        return f"{self.airflow}-py{self.python}{'-lowest' if self.lowest else ''}"

    @property
    def pins(self) -> Path:
        """The file of this Airflow's dependencies, for every Python."""
        return PINS / f"{self.airflow}.txt"

    @property
    def beside(self) -> Path:
        """The file of what is installed besides: the package's other dependencies, and the suite's tools."""
        return BESIDE / f"{self.airflow}{'-lowest' if self.lowest else ''}.txt"


RELEASED: Final = {
    "2.11.0": "2025-05-21",
    "2.11.2": "2026-03-15",
    "3.0.6": "2025-08-30",
    "3.1.8": "2026-03-12",
    "3.2.2": "2026-05-30",
    "3.3.2": "2026-09-18",
    "3.4.0b2": "2026-10-21",
}
"""The day after each release, when its dependencies were on the index, too."""
OLDEST, NEWEST_STABLE, PRE_RELEASE = "2.11.0", "3.3.2", "3.4.0b2"
_IN_CI: Final = {OLDEST, "3.1.8", NEWEST_STABLE, PRE_RELEASE}
_NEW_LIBRARIES: Final = (NEWEST_STABLE, "3.13")
"""Libraries whose newest releases need a Python later than 3.11: PyAV 19 is among them."""
_OTHER_PYTHONS: Final = (
    ("2.11.2", "3.12"),
    ("3.0.6", "3.12"),
    ("3.1.8", "3.13"),
    ("3.2.2", "3.12"),
    ("3.3.2", "3.12"),
    ("3.3.2", "3.13"),
    ("3.4.0b2", "3.13"),
    ("3.4.0b2", "3.14"),
)

CELLS: Final = (
    *(
        Cell(version, day, in_ci=version in _IN_CI, libraries=version in (OLDEST, PRE_RELEASE))
        for version, day in RELEASED.items()
    ),
    Cell(OLDEST, RELEASED[OLDEST], lowest=True, libraries=True),
    *(
        Cell(
            version,
            RELEASED[version],
            python,
            libraries=version in (NEWEST_STABLE, PRE_RELEASE),
            in_ci=(version, python) == _NEW_LIBRARIES,
        )
        for version, python in _OTHER_PYTHONS
    ),
)


def chosen(names: list[str]) -> list[Cell]:
    """Return the cells of some names: a cell's own, a version's, ``ci``, or all for none.

    :raises SystemExit: for a name that is none of these.
    """
    if not names:
        return list(CELLS)
    found: list[Cell] = []
    for name in names:
        fitting = [
            cell for cell in CELLS if name in (cell.name, cell.airflow) or (name == "ci" and cell.in_ci)
        ]
        if not fitting:
            raise SystemExit(
                f"There is no cell {name!r}. There are: {', '.join(cell.name for cell in CELLS)}"
            )
        found += [cell for cell in fitting if cell not in found]
    return found
