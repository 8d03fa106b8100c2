"""`kling-airflow spend`: what was spent, from the ledger and the queue's list. It changes nothing."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.cli.connections import connections_of_the_database
from kling_airflow.errors import InvalidArgument, KlingError, UnreadableRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.journal import JournalEntry
    from kling_airflow.submission.spending import Spent, Sum

FAILED: Final = 1
BY: Final = ("day", "dag", "task", "model", "state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "A request costs its list price when it succeeds; until it is over, the price is held. A request that"
        " no order of the ledger has is of another program, or of a task that keeps its record in Airflow."
    )
    parser.add_argument("--conn-id", default="gmi_cloud_default", metavar="ID", help="the queue's connection")
    parser.add_argument("--ledger", metavar="URI", help="the ledger's folder (default: `[kling] ledger`)")
    parser.add_argument(
        "--deployment", metavar="NAME", help="the deployment's name (default: `[kling] deployment`)"
    )
    parser.add_argument("--since", type=_day, metavar="DAY", help="from this day on, UTC: 2026-05-01")
    parser.add_argument("--until", type=_day, metavar="DAY", help="up to and with this day, UTC")
    parser.add_argument(
        "--by",
        type=_names,
        default=("day", "dag", "model", "state"),
        metavar="NAMES",
        help=f"what is summed by: some of {','.join(BY)} (default: day,dag,model,state)",
    )
    parser.add_argument("--dag", metavar="ID", help="only this DAG's requests")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="sums and requests, for programs")
    form.add_argument("--csv", action="store_true", help="the sums, for spreadsheets")


def run(args: argparse.Namespace) -> int:
    """Run the command.

    :param args: what :func:`add_arguments` asked for.
    :return: 0; 1 if the queue or the ledger can't be read, or a record of the ledger is unreadable.
    """
    from kling_airflow.models import MODELS
    from kling_airflow.submission.spending import spent, sums

    until = None if args.until is None else (args.until + timedelta(days=1)).timestamp()
    try:
        with redirect_stdout(sys.stderr), connections_of_the_database():
            client, entries = _client(args.conn_id), _entries(args)
        since = None if args.since is None else args.since.timestamp()
        rows = spent(client, entries, MODELS, since=since, until=until)
    except KlingError as error:
        return _failed(" ".join(part for part in (error.what, error.todo) if part))
    if args.dag is not None:
        rows = [row for row in rows if row.dag == args.dag]
    found, (total,) = sums(rows, args.by), sums(rows, ()) or [_nothing()]
    if args.json:
        _print_json(found, total, rows, args.by)
    elif args.csv:
        _print_csv(found, args.by)
    else:
        _print_table(found, total, args.by)
    unreadable = [entry for entry in entries if isinstance(entry, UnreadableRecord)]
    for entry in unreadable:
        _failed(str(entry))
    return FAILED if unreadable else 0


def _client(conn_id: str) -> GMIClient:
    from kling_airflow.hooks.gmi import GMICloudHook

    return GMICloudHook(conn_id).get_conn()


def _entries(args: argparse.Namespace) -> Sequence[JournalEntry | UnreadableRecord]:
    """Return the last entry of each order; none if there is no ledger in an object store."""
    from kling_airflow.hooks.ledger import configured_deployment, configured_ledger, open_ledger_path
    from kling_airflow.submission.ledger_admin import LedgerAdmin

    uri, deployment = args.ledger or configured_ledger(), args.deployment or configured_deployment()
    if not uri and not deployment:
        sys.stderr.write("There is no ledger in an object store: the DAG of each request is not known.\n")
        return []
    if not uri or not deployment:
        raise InvalidArgument("A ledger needs both: `--ledger s3://bucket/folder --deployment NAME`.")
    ledger = LedgerAdmin(open_ledger_path(uri), deployment)
    return ledger.last(ledger.all())


def _nothing() -> Sum:
    from kling_airflow.submission.spending import Sum

    return Sum((), 0, 0.0, 0.0)


def _print_table(found: Sequence[Sum], total: Sum, by: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_footer=True)
    for number, name in enumerate(by):
        table.add_column(name.upper(), footer="all" if number == 0 else "", overflow="fold")
    for name, footer in (
        ("REQUESTS", f"{total.requests}"),
        ("SPENT", f"${total.usd:,.2f}"),
        ("HELD", f"${total.held_usd:,.2f}"),
    ):
        table.add_column(name, footer=footer, justify="right")
    for each in found:
        held = f"${each.held_usd:,.2f}" if each.held_usd else ""
        table.add_row(*each.group, str(each.requests), f"${each.usd:,.2f}", held)
    console = Console(file=sys.stdout, markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, markup=False, highlight=False, width=200)
    console.print(table)


def _print_json(found: Sequence[Sum], total: Sum, rows: Sequence[Spent], by: Sequence[str]) -> None:
    from dataclasses import asdict

    content: dict[str, Any] = {
        "usd": total.usd,
        "held_usd": total.held_usd,
        "sums": [_named(each, by) for each in found],
        "requests": [asdict(row) for row in rows],
    }
    sys.stdout.write(f"{json.dumps(content, indent=1)}\n")


def _print_csv(found: Sequence[Sum], by: Sequence[str]) -> None:
    writer = csv.DictWriter(sys.stdout, [*by, "requests", "usd", "held_usd"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_named(each, by) for each in found)


def _named(each: Sum, by: Sequence[str]) -> dict[str, Any]:
    group = dict(zip(by, each.group, strict=True))
    return {**group, "requests": each.requests, "usd": each.usd, "held_usd": each.held_usd}


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-05-01") from None


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or set(names) - set(BY) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} must be some of {','.join(BY)}")
    return names


def _failed(reason: str) -> int:
    sys.stderr.write(f"kling-airflow spend: {reason}\n")
    return FAILED
