"""`kling-airflow capacity`: what a number of clips a day needs of Airflow, and costs. It asks no service."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from kling_airflow.capacity import Demand, Plan

FAILED: Final = 1
_OPTIONS: Final = (
    ("seconds", "S", "from a clip's submission to its end (default: 170)"),
    ("way", "WAY", "how the DAG is written: mapped or storyboard (default: mapped)"),
    ("clip-seconds", "S", "a clip's own length (default: 5)"),
    ("model", "ID", "the model (default: kling-v3-image-to-video)"),
    ("poll-interval", "S", "seconds between two looks at a request (default: 10)"),
    ("peak", "TIMES", "how many times more clips the busiest time has than the average (default: 3)"),
    ("worker-cores", "N", "cores of one worker (default: 2)"),
    ("triggerer-capacity", "N", "[triggerer] capacity (default: 1000)"),
    ("max-calls-per-second", "N", "the connection's rate limit (default: 50)"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = "Each figure comes from a benchmark; --json names the source and the day of each."
    parser.add_argument("--clips-per-day", required=True, metavar="N", help="clips that are made in 24 hours")
    for name, metavar, text in _OPTIONS:
        parser.add_argument(f"--{name}", metavar=metavar, help=text)
    parser.add_argument("--sound", action="store_true", help="the clips have sound")
    parser.add_argument("--json", action="store_true", help="the plan, for programs")


def run(args: argparse.Namespace) -> int:
    """Run the command.

    :param args: what :func:`add_arguments` asked for.
    :return: 0; 1 for a value that can't be used.
    """
    from kling_airflow.capacity import plan

    try:
        demand = _demand(args)
        found = plan(demand)
    except InvalidArgument as error:
        sys.stderr.write(f"kling-airflow capacity: {error.what}\n")
        return FAILED
    sys.stdout.write(_json(demand, found) if args.json else _table(demand, found))
    return 0


def _demand(args: argparse.Namespace) -> Demand:
    from kling_airflow.capacity import Demand

    given: dict[str, Any] = {
        name: getattr(args, name)
        for name in ("clips_per_day", *(option.replace("-", "_") for option, _, _ in _OPTIONS))
        if getattr(args, name) is not None
    }
    for name in given.keys() - {"way", "model"}:
        given[name] = _number(given[name])
    return Demand(sound=args.sound, **given)


def _number(text: str) -> float | str:
    """Return the number that a text is; the text itself if it is none, which the demand then refuses."""
    for kind in (int, float):
        try:
            return kind(text.replace(",", "").replace("_", ""))
        except ValueError:
            continue
    return text


def _json(demand: Demand, found: Plan) -> str:
    from kling_airflow import measured

    sources = {
        name: asdict(value) for name, value in vars(measured).items() if isinstance(value, measured.Measured)
    }
    sources |= {
        f"WAYS.{name}.{key}": value
        for name, way in measured.WAYS.items()
        for key, value in asdict(way).items()
    }
    return (
        json.dumps({"demand": asdict(demand), "plan": found.as_dict(), "measured": sources}, indent=1) + "\n"
    )


def _table(demand: Demand, found: Plan) -> str:
    usd = "not documented" if found.clips_usd_per_day is None else f"${found.clips_usd_per_day:,.2f} a day"
    rows = [
        ("waiting at the peak", f"{found.waiting:,.0f} requests"),
        (
            "workers",
            f"{found.workers:,} of {demand.worker_cores:g} cores ({found.worker_cpu:.2f} cores busy)",
        ),
        ("schedulers", f"{found.scheduler_cpu:.2f} cores busy"),
        ("triggerers", f"{found.triggerers:,} ({found.triggerer_cpu:.3f} cores busy in all)"),
        ("memory of a triggerer", f"{found.triggerer_memory / 1e6:,.0f} MB"),
        ("calls to the queue", f"{found.calls_per_second:.1f} a second"),
        (
            "the same, if its list can't be used",
            f"{found.calls_per_second_by_id:.1f} a second, a look every {found.look_every:.0f} s",
        ),
        ("database rows", f"{found.database_rows_per_day:,.0f} a day"),
        ("S3 operations", f"{found.s3_operations_per_day:,.0f} a day, ${found.s3_usd_per_day:,.2f}"),
        ("clips", usd),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {text}" for name, text in rows]
    title = f"{demand.clips_per_day:,} clips a day, {demand.seconds:g} s each, {demand.way};"
    title += f" peak {demand.peak:g} times"
    return "\n".join([title, "", *lines, ""])
