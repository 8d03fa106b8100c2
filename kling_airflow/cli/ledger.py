"""`kling-airflow ledger`: a person looks at the ledger in an object store, and corrects it."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Final

from kling_airflow.cli.connections import connections_of_the_database
from kling_airflow.cli.ledger_tables import as_json, digits, entry_row, order_row, print_table
from kling_airflow.errors import KlingError, UnreadableRecord
from kling_airflow.submission.record import State, SubmissionRecord

if TYPE_CHECKING:
    from kling_airflow.submission.journal import JournalEntry
    from kling_airflow.submission.ledger_admin import LedgerAdmin

FAILED: Final = 1
MISUSED: Final = 2
_EPILOG = (
    "Only for a ledger in an object store: Airflow's task state store is in its UI and REST API. "
    "Nothing here talks to GMI Cloud, and nothing is ever overwritten: each change is the next entry of the"
    " order's journal."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands and their options."""
    parser.epilog = _EPILOG
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--ledger", metavar="URI", help="its folder, s3://... (default: `[kling] ledger`)")
    place.add_argument(
        "--deployment", metavar="NAME", help="the deployment's name (default: `[kling] deployment`)"
    )
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
    show = command("show", "show every entry of one order's journal", _show)
    adopt = command("adopt", "tell an order which request is its own", _adopt)
    forget = command("forget", "let an order's task buy again", _forget)
    for each in (show, adopt, forget):
        each.add_argument("order", metavar="ORDER", help="its id, or as much of it as is unique")
    show.add_argument("--json", action="store_true", help="for programs")
    adopt.add_argument("request_id", metavar="REQUEST_ID", help="as the GMI Cloud console shows it")
    forget.add_argument(
        "--reason", default="by hand", metavar="TEXT", help="why, for people who read the ledger later"
    )
    forget.add_argument("--yes", action="store_true", help="don't ask")


def run(args: argparse.Namespace) -> int:
    """Run a command.

    :param args: what :func:`add_arguments` asked for.
    :return: 0; 1 if the command could not be done, or a record is unreadable; 2 if it was misused.
    """
    try:
        ledger = _open(args)
        if ledger is None:
            return _failed(
                "say which ledger: --ledger s3://bucket/folder --deployment NAME, or `[kling] ledger` and"
                " `[kling] deployment` in Airflow's configuration.",
                MISUSED,
            )
        code: int = args.run(ledger, args)
    except _Misused as error:
        return _failed(str(error), MISUSED)
    except KlingError as error:
        return _failed(" ".join(part for part in (error.what, error.todo) if part))
    return code


class _Misused(Exception):
    """The command line names a ledger that is no address of a folder."""


def _open(args: argparse.Namespace) -> LedgerAdmin | None:
    # When Airflow is imported it sends its log to stdout; stdout is only for what the command prints.
    with redirect_stdout(sys.stderr):
        return _ledger(args)


def _ledger(args: argparse.Namespace) -> LedgerAdmin | None:
    from kling_airflow.errors import InvalidArgument
    from kling_airflow.hooks.ledger import configured_deployment, configured_ledger, open_ledger_path
    from kling_airflow.submission.ledger_admin import LedgerAdmin

    uri = args.ledger or configured_ledger()
    deployment = args.deployment or configured_deployment()
    if not uri or not deployment:
        return None
    by = f"kling-airflow ledger {args.action} ({_user()})"
    with connections_of_the_database():
        try:
            folder = open_ledger_path(uri)
        except InvalidArgument as error:
            raise _Misused(error.what) from error
    return LedgerAdmin(folder, deployment, by=by)


def _list(ledger: LedgerAdmin, args: argparse.Namespace) -> int:
    orders = ledger.all(args.dag)
    found = [
        (order, last)
        for order, last in zip(orders, ledger.last(orders), strict=True)
        if _wanted(last, args.dag, args.state)
    ]
    if args.json:
        _print(json.dumps([as_json(order, last) for order, last in found], indent=1))
    elif found:
        length = digits([order.order for order in orders])
        print_table(
            ("ORDER", "STATE", "SENT (UTC)", "POSTS", "REQUEST", "MODEL", "DAG", "RUN", "TASK"),
            [(order.order[:length], *order_row(order, last)) for order, last in found],
        )
    else:
        _print("No orders." if not orders else "No orders like that.")
    return _unreadable(last for _, last in found)


def _show(ledger: LedgerAdmin, args: argparse.Namespace) -> int:
    order = ledger.find(args.order)
    history = ledger.history(order)
    if args.json:
        _print(json.dumps([as_json(order, entry) for entry in history], indent=1))
        return _unreadable(history)
    readable = [entry for entry in history if not isinstance(entry, UnreadableRecord)]
    if readable:
        key, record = readable[-1].task_key, readable[-1].record
        _print(f"order    {order.order}")
        _print(f"task     {key.dag_id} / {key.run_id} / {key.task}")
        _print(f"asked    {record.model}, take {record.take}, fingerprint {record.fingerprint}\n")
    print_table(
        ("ENTRY", "WRITTEN (UTC)", "STATE", "POSTS", "REQUEST", "MARKER", "BY", "REASON"),
        [entry_row(number, entry) for number, entry in zip(order.numbers, history, strict=True)],
    )
    return _unreadable(history)


def _adopt(ledger: LedgerAdmin, args: argparse.Namespace) -> int:
    order = ledger.find(args.order)
    entry = ledger.adopt(order, args.request_id)
    if entry.number in order.numbers:
        _print(f"Order {order.order} has the request {args.request_id} already. Nothing was written.")
        return 0
    _print(
        f"Order {order.order} has the request {args.request_id} now (entry {entry.number}). This command has"
        " not asked GMI Cloud whether the request exists. Clear the task: it asks."
    )
    return 0


def _forget(ledger: LedgerAdmin, args: argparse.Namespace) -> int:
    order = ledger.find(args.order)
    last = ledger.journal.read(order.folder, order.numbers[-1])
    record, key = last.record, last.task_key
    if not record.may_have_bought:
        _print(f"Order {order.order} is `not_sent`: there is nothing to forget. Nothing was written.")
        return 0
    _print(f"Order {order.order}: {key.dag_id} / {key.run_id} / {key.task}, take {record.take}.")
    _print(money(record))
    if not args.yes:
        if not sys.stdin.isatty():
            return _failed("there is no terminal to ask on. Add --yes.", MISUSED)
        if input("Forget it? [y/N] ").strip().lower() not in {"y", "yes"}:
            return _failed("nothing was written.")
    entry = ledger.forget(order, args.reason)
    _print(f"Forgotten (entry {entry.number}). The next try of the task submits anew.")
    return 0


def money(record: SubmissionRecord) -> str:
    """Return what forgetting a record means for money."""
    anew = "After this, the task's next try buys another clip."
    if record.state is State.SUBMITTED:
        return f"Its request {record.request_id} is not cancelled, and is paid for once it succeeds. {anew}"
    if not record.in_doubt:
        return "It has bought nothing."
    return (
        "Its submission may have reached GMI Cloud. If it did, there is a request that is paid for once it"
        f" succeeds; no task looks for that request any more, and it is not cancelled. {anew} If you know the"
        " request's id, `adopt` the request instead."
    )


def _wanted(last: JournalEntry | UnreadableRecord, dag: str | None, state: str | None) -> bool:
    if isinstance(last, UnreadableRecord):
        return state in {None, "unreadable"}
    return dag in {None, last.task_key.dag_id} and state in {None, str(last.record.state)}


def _unreadable(entries: Iterable[JournalEntry | UnreadableRecord]) -> int:
    found = [entry for entry in entries if isinstance(entry, UnreadableRecord)]
    for entry in found:
        _failed(str(entry))
    return FAILED if found else 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _failed(reason: str, code: int = FAILED) -> int:
    sys.stderr.write(f"kling-airflow ledger: {reason}\n")
    return code
