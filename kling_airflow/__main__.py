"""The console script `kling-airflow`. A subcommand's modules are imported when it is called."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from kling_airflow import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each module has add_arguments(parser) and run(args) -> int.
COMMANDS = {
    "simulator": ("kling_airflow.cli.simulator", "run GMI Cloud's request queue on this machine"),
    "examples": ("kling_airflow.cli.examples", "copy the example DAGs, with pictures for a first try"),
    "demo": ("kling_airflow.cli.demo", "watch a real Airflow make a clip of two photographs"),
    "ledger": ("kling_airflow.cli.ledger", "look at an object-storage ledger, and put it right"),
    "spend": ("kling_airflow.cli.spend", "sum what was spent, by day, DAG, model and state"),
    "gallery": ("kling_airflow.cli.gallery", "write the index of the gallery in Airflow's UI anew"),
    "capacity": ("kling_airflow.cli.capacity", "say what a number of clips a day needs, and costs"),
    "storyboard": ("kling_airflow.cli.storyboard", "check, price and show a storyboard"),
}

EXTRAS = {"simulator": "simulator", "demo": "demo", "ledger": "s3"}
"""The extra with what each command needs beyond the package's own dependencies."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    :param argv: the arguments without the program's name; None takes the process's own.
    :return: the exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(prog="kling-airflow", description="Still frames to Kling v3 clips.")
    parser.add_argument("--version", action="version", version=f"kling-airflow {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == chosen:
            try:
                import_module(module).add_arguments(command)
            except ModuleNotFoundError as missing:
                return _without_extra(name, missing)
    args = parser.parse_args(arguments)
    try:
        code: int = import_module(COMMANDS[args.command][0]).run(args)
    except ModuleNotFoundError as missing:
        return _without_extra(args.command, missing)
    return code


def _without_extra(command: str, missing: ModuleNotFoundError) -> int:
    """Say which extra a command needs.

    :raises ModuleNotFoundError: if what is missing is a part of this package, which no extra brings.
    """
    if missing.name is None or missing.name.partition(".")[0] == "kling_airflow" or command not in EXTRAS:
        raise missing
    print(  # noqa: T201
        f"kling-airflow {command} needs the package `{missing.name}`, which is not installed.\n"
        f"Install the extra: pip install 'kling_airflow[{EXTRAS[command]}]'",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
