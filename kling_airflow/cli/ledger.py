"""`kling-airflow ledger`: the object-storage ledger, looked at and put right by a person."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.errors import KlingError, UnreadableRecord
from kling_airflow.submission.record import State, SubmissionRecord

if TYPE_CHECKING:
    from kling_airflow.submission.journal import JournalEntry
    from kling_airflow.submission.ledger_admin import Entry, LedgerAdmin

FAILED: Final = 1
MISUSED: Final = 2
_SHORT: Final = 8
"""Digits of an order's id in a table, where they are enough to tell it from the others."""
_EPILOG = (
    "Only for a ledger in an object store: Airflow's task state store is in its UI and REST API. "
    "Nothing here talks to GMI Cloud, and nothing is ever overwritten: each change is the order's next step."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands and their options."""
    parser.epilog = _EPILOG
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--ledger", metavar="URI", help="its folder, s3://... (default: `[kling] ledger`)")
    place.add_argument("--deployment", metavar="NAME", help="whose orders (default: `[kling] deployment`)")
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def command(name: str, summary: str, run: Callable[..., int]) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, parents=[place], help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        made.set_defaults(run=run)
        return made

    listing = command("list", "show all orders, and how far each has come", _list)
    listing.add_argument("--dag", metavar="ID", help="only this DAG's")
    listing.add_argument(
        "--state", choices=[*State, "unreadable"], help="only these; `sending` are the ones in doubt"
    )
    listing.add_argument("--json", action="store_true", help="for programs")
    show = command("show", "show every step of one order", _show)
    adopt = command("adopt", "tell an order which request is its own", _adopt)
    forget = command("forget", "let an order's task buy again", _forget)
    for each in (show, adopt, forget):
        each.add_argument("order", metavar="ORDER", help="its id, or as much of it as is unique")
    show.add_argument("--json", action="store_true", help="for programs")
    adopt.add_argument("request_id", metavar="REQUEST_ID", help="as the GMI Cloud console shows it")
    forget.add_argument("--reason", default="by hand", metavar="TEXT", help="for who reads the ledger later")
    forget.add_argument("--yes", action="store_true", help="don't ask")


def run(args: argparse.Namespace) -> int:
    """Run a command.

    :param args: what :func:`add_arguments` asked for.
    :return: 0; 1 where it could not be done, or a record is unreadable; 2 where it was misused.
    """
    try:
        orders = _open(args)
        if orders is None:
            return _failed(
                "say which ledger: --ledger s3://bucket/folder --deployment NAME, or `[kling] ledger` and"
                " `[kling] deployment` in Airflow's configuration.",
                MISUSED,
            )
        code: int = args.run(orders, args)
    except _Misused as error:
        return _failed(str(error), MISUSED)
    except KlingError as error:
        return _failed(" ".join(part for part in (error.what, error.todo) if part))
    return code


class _Misused(Exception):
    """The command line names a ledger that is no address of a folder."""


def _open(args: argparse.Namespace) -> LedgerAdmin | None:
    # Airflow sends its log to what is stdout when it is imported; ours is for what was asked for.
    with redirect_stdout(sys.stderr):
        return _orders(args)


def _orders(args: argparse.Namespace) -> LedgerAdmin | None:
    from kling_airflow.errors import InvalidArgument
    from kling_airflow.hooks.ledger import configured_deployment, configured_ledger, open_ledger_path
    from kling_airflow.submission.ledger_admin import LedgerAdmin

    uri = args.ledger or configured_ledger()
    deployment = args.deployment or configured_deployment()
    if not uri or not deployment:
        return None
    by = f"kling-airflow ledger {args.action} ({_user()})"
    with _connections_of_the_database():
        try:
            folder = open_ledger_path(uri)
        except InvalidArgument as error:
            raise _Misused(error.what) from error
    return LedgerAdmin(folder, deployment, by=by)


@contextmanager
def _connections_of_the_database() -> Iterator[None]:
    """Let Airflow look for connections in its database too, as it does for its own commands."""
    name = "_AIRFLOW_PROCESS_CONTEXT"
    was = os.environ.get(name)
    os.environ[name] = "server"
    try:
        yield
    finally:
        os.environ.pop(name)
        if was is not None:
            os.environ[name] = was


def _list(orders: LedgerAdmin, args: argparse.Namespace) -> int:
    entries = orders.all(args.dag)
    found = [
        (entry, last)
        for entry, last in zip(entries, orders.last(entries), strict=True)
        if _wanted(last, args.dag, args.state)
    ]
    if args.json:
        _say(json.dumps([_as_json(entry, last) for entry, last in found], indent=1))
    elif found:
        digits = _digits([entry.order for entry in entries])
        _table(
            ("ORDER", "STATE", "SENT (UTC)", "POSTS", "REQUEST", "MODEL", "DAG", "RUN", "TASK"),
            [(entry.order[:digits], *_row(entry, last)) for entry, last in found],
        )
    else:
        _say("No orders." if not entries else "No orders like that.")
    return _unreadable(last for _, last in found)


def _show(orders: LedgerAdmin, args: argparse.Namespace) -> int:
    entry = orders.find(args.order)
    history = orders.history(entry)
    if args.json:
        _say(json.dumps([_as_json(entry, step) for step in history], indent=1))
        return _unreadable(history)
    readable = [step for step in history if not isinstance(step, UnreadableRecord)]
    if readable:
        scope, record = readable[-1].scope, readable[-1].record
        _say(f"order    {entry.order}")
        _say(f"task     {scope.dag_id} / {scope.run_id} / {scope.task}")
        _say(f"asked    {record.model}, take {record.take}, fingerprint {record.fingerprint}\n")
    _table(
        ("STEP", "WRITTEN (UTC)", "STATE", "POSTS", "REQUEST", "MARKER", "BY", "REASON"),
        [_step_row(number, step) for number, step in zip(entry.numbers, history, strict=True)],
    )
    return _unreadable(history)


def _adopt(orders: LedgerAdmin, args: argparse.Namespace) -> int:
    entry = orders.find(args.order)
    step = orders.adopt(entry, args.request_id)
    if step.number in entry.numbers:
        _say(f"Order {entry.order} has the request {args.request_id} already. Nothing was written.")
        return 0
    _say(
        f"Order {entry.order} has the request {args.request_id} now (step {step.number}). Nobody has asked"
        " GMI Cloud whether it is there: clear the task, and it will."
    )
    return 0


def _forget(orders: LedgerAdmin, args: argparse.Namespace) -> int:
    entry = orders.find(args.order)
    last = orders.steps.read(entry.folder, entry.numbers[-1])
    if last.record.state is State.NOT_SENT:
        _say(f"Order {entry.order} has bought nothing that isn't known to have ended. Nothing was written.")
        return 0
    scope = last.scope
    _say(f"Order {entry.order}: {scope.dag_id} / {scope.run_id} / {scope.task}, take {last.record.take}.")
    _say(money(last.record))
    if not args.yes:
        if not sys.stdin.isatty():
            return _failed("nobody is here to ask. Say --yes.", MISUSED)
        if input("Forget it? [y/N] ").strip().lower() not in {"y", "yes"}:
            return _failed("nothing was written.")
    step = orders.forget(entry, args.reason)
    _say(f"Forgotten (step {step.number}). The next try of the task submits anew.")
    return 0


def money(record: SubmissionRecord) -> str:
    """Return what forgetting a record means for money."""
    anew = "After this, the task's next try buys another clip."
    match record.state:
        case State.SENDING:
            return (
                "Its submission may have reached GMI Cloud, and then there is a request that is paid for once"
                f" it succeeds. Nobody will look for it anymore, and it is not cancelled. {anew}"
                " Is its id known, `adopt` it instead."
            )
        case State.SUBMITTED:
            return (
                f"Its request {record.request_id} is not cancelled, and is paid for once it succeeds. {anew}"
            )
        case State.NOT_SENT:
            return "It has bought nothing."


def _wanted(last: JournalEntry | UnreadableRecord, dag: str | None, state: str | None) -> bool:
    if isinstance(last, UnreadableRecord):
        return state in {None, "unreadable"}
    return dag in {None, last.scope.dag_id} and state in {None, str(last.record.state)}


def _row(entry: Entry, last: JournalEntry | UnreadableRecord) -> tuple[str, ...]:
    if isinstance(last, UnreadableRecord):
        dag, run, task = entry.place.split("/")
        return ("unreadable", "", "", "", "", dag, run, task)
    record, scope = last.record, last.scope
    return (
        str(record.state),
        _time(record.sent_at),
        str(record.posts),
        record.request_id or "",
        record.model,
        scope.dag_id,
        scope.run_id,
        scope.task,
    )


def _step_row(number: int, step: JournalEntry | UnreadableRecord) -> tuple[str, ...]:
    if isinstance(step, UnreadableRecord):
        return (str(number), "", "unreadable", "", "", "", "", "")
    record = step.record
    return (
        str(number),
        _time(step.at),
        str(record.state),
        str(record.posts),
        record.request_id or "",
        record.marker or "",
        step.by,
        record.reason or "",
    )


def _as_json(entry: Entry, step: JournalEntry | UnreadableRecord) -> dict[str, Any]:
    if isinstance(step, UnreadableRecord):
        return {"order": entry.order, "unreadable": str(step)}
    return step.to_json()


def _unreadable(steps: Iterable[JournalEntry | UnreadableRecord]) -> int:
    found = [step for step in steps if isinstance(step, UnreadableRecord)]
    for step in found:
        _failed(str(step))
    return FAILED if found else 0


def _digits(orders: Sequence[str]) -> int:
    """Return how many digits tell each order from all others."""
    ordered = sorted(set(orders))
    needed = _SHORT
    for one, other in pairwise(ordered):
        while one[:needed] == other[:needed]:
            needed += 1
    return needed


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # What stands in a record comes from elsewhere: no line breaks, no terminal's escape sequences.
    lines = [head, *([cell.translate(_HARMLESS) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        _say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


_HARMLESS: Final = dict.fromkeys([*range(32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")


def _time(seconds: float | None) -> str:
    from kling_airflow.submission.record import clock

    return clock(seconds).removesuffix(" UTC")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _failed(reason: str, code: int = FAILED) -> int:
    sys.stderr.write(f"kling-airflow ledger: {reason}\n")
    return code
