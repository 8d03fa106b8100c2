"""What this package costs an Airflow, as its benchmarks measured it: each figure with its source and day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure that was measured, or that a vendor publishes.

    :param value: the figure.
    :param unit: what it counts.
    :param source: the benchmark, test or page that it is from.
    :param date: the day, such as ``2026-11-28``.
    """

    value: float
    unit: str
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class Way:
    """What a clip costs Airflow in one way to write a DAG.

    :param worker_cpu: seconds of a core, for each clip.
    :param scheduler_cpu: the same of the scheduler.
    :param database_rows: rows of Airflow's database, for each clip.
    """

    worker_cpu: Measured
    scheduler_cpu: Measured
    database_rows: Measured


_STORYBOARD: Final = "make bench ARGS=storyboard, 40 clips, docs/storyboard.md"
_WAITING: Final = "make bench-waiting, 10,000 waiting, docs/waiting.md"

WAYS: Final = {
    "mapped": Way(
        Measured(4.35, "CPU s per clip", _STORYBOARD, "2026-11-28"),
        Measured(1.61, "CPU s per clip", _STORYBOARD, "2026-11-28"),
        Measured(44.6, "rows per clip", _STORYBOARD, "2026-11-28"),
    ),
    "storyboard": Way(
        Measured(0.20, "CPU s per clip", _STORYBOARD, "2026-11-28"),
        Measured(0.13, "CPU s per clip", _STORYBOARD, "2026-11-28"),
        Measured(2.4, "rows per clip", _STORYBOARD, "2026-11-28"),
    ),
}
"""Two mapped tasks for each clip, or 40 clips in one task."""

CALLS_PER_ROUND: Final = Measured(2.0, "calls per round and triggerer", _WAITING, "2026-11-25")
CALLS_PER_100_WAITS: Final = Measured(2.2, "calls per round and 100 waits", _WAITING, "2026-11-25")
"""1,344 calls in 12 rounds, in which 5,000 of 10,000 requests waited on average: the ends were spread."""
CPU_PER_LOOK: Final = Measured(5.7e-5, "CPU s per wait and round", _WAITING, "2026-11-25")
"""0.34 s for 12 rounds of 500 waits on average, with the start of all triggers and their log lines."""
MEMORY_PER_WAIT: Final = Measured(8.3e3, "bytes per wait", _WAITING, "2026-11-25")
MEMORY_OF_TRIGGERER: Final = Measured(134e6, "bytes without a wait", _WAITING, "2026-11-25")

LEDGER_WRITES: Final = Measured(
    9, "PUT and LIST calls per clip", "tests/integration/test_ledger_s3.py", "2026-11-28"
)
LEDGER_READS: Final = Measured(
    6, "GET and HEAD calls per clip", "tests/integration/test_ledger_s3.py", "2026-11-28"
)
LANDING_WRITES: Final = Measured(
    12, "PUT and LIST calls per clip", "tests/integration/test_landing_s3.py", "2026-11-28"
)
LANDING_READS: Final = Measured(
    9, "GET and HEAD calls per clip", "tests/integration/test_landing_s3.py", "2026-11-28"
)
SHARE_WRITES: Final = Measured(
    5760, "PUT and LIST calls per triggerer and day", "tests/hooks/test_limit_share.py", "2026-11-28"
)
USD_PER_WRITE: Final = Measured(
    5e-6, "USD per PUT or LIST", "Amazon S3 Standard, us-east-1, price list", "2026-11-28"
)
USD_PER_READ: Final = Measured(
    4e-7, "USD per GET or HEAD", "Amazon S3 Standard, us-east-1, price list", "2026-11-28"
)
