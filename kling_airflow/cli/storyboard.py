"""`kling-airflow storyboard`: check a storyboard, see what it costs, and see its shots. Nothing is bought."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.cli.connections import connections_of_the_database
from kling_airflow.errors import KlingError

if TYPE_CHECKING:
    from rich.table import Table

    from kling_airflow.storyboard.board import Storyboard
    from kling_airflow.storyboard.shot import Shot

FAILED: Final = 1
_PROMPT: Final = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands and their options."""
    parser.epilog = "None of these commands buys anything. Only `price --conn-id` talks to GMI Cloud."
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def command(name: str, summary: str, run: Callable[..., int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        made.add_argument("file", metavar="FILE", help="a .yaml, .json or .csv file, or its address (s3://)")
        made.add_argument("--json", action="store_true", help="for programs")
        made.set_defaults(run=run)
        return made

    command("check", "name everything that is wrong with a storyboard", _check)
    price = command("price", "say what each shot of a storyboard costs, before it is bought", _price)
    price.add_argument(
        "--conn-id",
        metavar="ID",
        help="ask the catalog of this connection's queue, too (default: ask nothing)",
    )
    price.add_argument(
        "--budget-usd",
        metavar="USD",
        type=_budget,
        help="fail if the storyboard costs more, or its price is unknown",
    )
    command("show", "show the shots of a storyboard as they will be ordered", _show)


def run(args: argparse.Namespace) -> int:
    """Run a command.

    :param args: what :func:`add_arguments` asked for.
    :return: 0; 1 if the storyboard can't be used, or costs more than it may.
    """
    from kling_airflow.storyboard.problems import InvalidStoryboard

    try:
        board = _load(args.file)
        code: int = args.run(board, args)
    except InvalidStoryboard as error:
        if args.json:
            problems = [problem.to_json() for problem in error.problems]
            _print(json.dumps({"file": error.file, "problems": problems}, indent=1))
        else:
            sys.stderr.write(f"{error.what}\n")
        return FAILED
    except KlingError as error:
        return _failed(" ".join(part for part in (error.what, error.todo) if part))
    return code


def _load(file: str) -> Storyboard:
    from kling_airflow.storyboard.board import Storyboard

    if "://" not in file:
        return Storyboard.load(file)
    # When Airflow is imported it sends its log to stdout.
    with redirect_stdout(sys.stderr), connections_of_the_database():
        from kling_airflow.hooks.frame_source import read_frame
        from kling_airflow.storyboard.formats import MAX_BYTES

        return Storyboard.parse(read_frame(file, max_bytes=MAX_BYTES, field="storyboard"), file)


def _check(board: Storyboard, args: argparse.Namespace) -> int:
    if args.json:
        _print(json.dumps({"file": board.file, "problems": []}, indent=1))
    else:
        _print(f"{board.file} can be used: {_summary(board)}.")
    return 0


def _price(board: Storyboard, args: argparse.Namespace) -> int:
    price = board.price(_catalog(args.conn_id) if args.conn_id else None)
    total = price.total_usd
    if args.json:
        _print(json.dumps({"file": board.file, **price.to_json()}, indent=1))
    else:
        table = _table("SHOT", "MODEL", "SECONDS", "SOUND", "TAKES", "A TAKE", "ALL TAKES", title=board.title)
        for each in price.shots:
            options = each.shot.options
            table.add_row(
                each.shot.name,
                each.shot.model,
                str(options.duration or ""),
                "yes" if options.sound else "",
                str(each.shot.takes),
                _usd(each.usd),
                _usd(each.total_usd),
            )
        _show_table(table)
        known = "" if total is not None else f" The price of {', '.join(price.unknown)} is not known."
        _print(f"{_summary(board)}: {_usd(price.known_usd)}.{known}")
    if args.budget_usd is not None and (total is None or total > args.budget_usd):
        what = "is not known" if total is None else f"is {_usd(total)}"
        return _failed(f"the price {what}, and --budget-usd is {_usd(args.budget_usd)}.")
    return 0


def _show(board: Storyboard, args: argparse.Namespace) -> int:
    if args.json:
        _print(json.dumps(board.to_json(), indent=1, ensure_ascii=False))
        return 0
    table = _table("SHOT", "BEGINS ON", "ENDS ON", "SECONDS", "SOUND", "TAKES", "PROMPT", title=board.title)
    for shot in board:
        table.add_row(
            shot.name,
            _begins(shot),
            _name(shot.end_frame),
            str(shot.options.duration or ""),
            "yes" if shot.options.sound else "",
            str(shot.takes),
            _short(str(shot.options.values.get("prompt") or "")),
        )
    _show_table(table)
    _print(f"{_summary(board)}.")
    return 0


def _catalog(conn_id: str) -> Callable[[str], Mapping[str, Any] | None]:
    with redirect_stdout(sys.stderr), connections_of_the_database():
        from kling_airflow.hooks.gmi import GMICloudHook

        client = GMICloudHook(conn_id).get_conn()
    return client.model


def _summary(board: Storyboard) -> str:
    shots = "1 shot" if len(board.shots) == 1 else f"{len(board.shots)} shots"
    clips = "1 clip" if board.clips == 1 else f"{board.clips} clips"
    return f"{shots}, {clips}, {board.seconds} s of film"


def _begins(shot: Shot) -> str:
    return f"last frame of {shot.continues}" if shot.continues else _name(shot.frame)


def _name(address: str | None) -> str:
    from kling_airflow.addresses import shown

    return "" if address is None else shown(address).rpartition("/")[2]


def _short(text: str) -> str:
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= _PROMPT else f"{line[: _PROMPT - 3]}..."


def _budget(text: str) -> float:
    """Read an amount of money: a price is never above NaN, so that it would allow every price."""
    from kling_airflow.arguments import amount

    try:
        return amount("--budget-usd", text)
    except KlingError as error:
        raise argparse.ArgumentTypeError(error.what) from None


def _usd(value: float | None) -> str:
    return "unknown" if value is None else f"${value:,.2f}"


def _table(*columns: str, title: str | None) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=None if title is None else Text(title), box=box.SIMPLE, title_justify="left")
    for column in columns:
        right = column in {"SECONDS", "TAKES", "A TAKE", "ALL TAKES"}
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _show_table(table: Table) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, markup=False, highlight=False, width=200)
    console.print(table)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _failed(reason: str, code: int = FAILED) -> int:
    sys.stderr.write(f"kling-airflow storyboard: {reason}\n")
    return code
