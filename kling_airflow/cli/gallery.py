"""`kling-airflow gallery`: the index of the gallery in Airflow's UI, made anew from the sidecars."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from typing import Final

from kling_airflow.cli.connections import connections_of_the_database
from kling_airflow.errors import KlingError

FAILED: Final = 1
MISUSED: Final = 2
_NAMED: Final = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands and their options."""
    parser.epilog = "Nothing here talks to GMI Cloud, and no clip or sidecar is changed."
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summary = "read every sidecar of the gallery's folder, and write its index anew"
    made = commands.add_parser("reindex", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    made.add_argument("--gallery", metavar="URI", help="the folder, s3://... (default: `[kling] gallery`)")


def run(args: argparse.Namespace) -> int:
    """Run a command.

    :param args: what :func:`add_arguments` asked for.
    :return: 0; 1 if the store refused; 2 if no gallery is named.
    """
    from kling_airflow.gallery.reindex import reindex
    from kling_airflow.gallery.settings import configured_gallery, open_gallery

    try:
        with redirect_stdout(sys.stderr), connections_of_the_database():
            address = args.gallery or configured_gallery()
            if not address:
                return _failed(
                    "say which folder: --gallery s3://bucket/folder, or `[kling] gallery` in Airflow's"
                    " configuration.",
                    MISUSED,
                )
            found = reindex(open_gallery(address), _progress)
    except KlingError as error:
        return _failed(" ".join(part for part in (error.what, error.todo) if part))
    sys.stdout.write(f"The index has {found.entries:,} clips and films.\n")
    if found.skipped:
        some = ", ".join(found.skipped[:_NAMED])
        more = f" and {len(found.skipped) - _NAMED:,} more" if len(found.skipped) > _NAMED else ""
        sys.stdout.write(f"{len(found.skipped):,} JSON files are no sidecars of a landing: {some}{more}.\n")
    return 0


def _progress(done: int, of: int) -> None:
    sys.stderr.write(f"{done:,} of {of:,} sidecars are read.\n")


def _failed(reason: str, code: int = FAILED) -> int:
    sys.stderr.write(f"kling-airflow gallery: {reason}\n")
    return code
