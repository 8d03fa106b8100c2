"""The command ``kling-airflow demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.demo import options as demo_options
from kling_airflow.demo.errors import DemoError
from kling_airflow.demo.ports import require_free

if TYPE_CHECKING:
    import argparse

EPILOG = (
    "Starts the request queue's simulator, an S3 server (moto) and `airflow standalone` on free ports, "
    "runs the example DAG kling_image_to_video on two photographs, and copies the clip here. "
    "Nothing leaves this machine and nothing costs money. Ctrl-C stops everything."
)


PIPE_COLUMNS = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the demo's options."""
    parser.epilog = EPILOG
    parser.add_argument(
        "--start", metavar="IMAGE", help="your own start frame (default: a photograph of a rocket)"
    )
    parser.add_argument(
        "--end", metavar="IMAGE", help="your own end frame (default with your own --start: none)"
    )
    parser.add_argument("--prompt", default=demo_options.PROMPT, help="what happens in the clip")
    parser.add_argument(
        "--duration",
        default=str(demo_options.DURATION),
        metavar="SECONDS",
        help="3 to 15 (default: %(default)s)",
    )
    parser.add_argument(
        "--no-sound", dest="sound", action="store_false", help="a silent clip, a third cheaper"
    )
    parser.add_argument(
        "--story",
        action="store_true",
        help="make a film of a storyboard with three shots (the DAG kling_storyboard), instead of one clip",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything up afterwards, until Ctrl-C")
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="FOLDER", help="default: %(default)s"
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(".demo"),
        metavar="FOLDER",
        help="of databases and logs (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, metavar="PORT", help="of Airflow's UI (default: a free one)")
    parser.add_argument(
        "--speed",
        type=float,
        default=demo_options.SPEED,
        metavar="TIMES",
        help="how many times faster than the real service clips are made (default: %(default)g)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 0, 1 with the reason printed, or 130 after Ctrl-C.

    :param args: what :func:`add_arguments` asked for.
    """
    from rich.console import Console

    from kling_airflow.demo.film import FilmDemo
    from kling_airflow.demo.story import Demo, report

    console = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
    try:
        options = checked(args)
        (FilmDemo if options.story else Demo)(options, console).run()
    except DemoError as error:
        report(console, error)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def checked(args: argparse.Namespace) -> demo_options.Options:
    """Check what was typed, before anything is started.

    :raises DemoError: naming option, value and limit.
    """
    duration = demo_options.check_payload(prompt=args.prompt, duration=args.duration, sound=args.sound)
    if args.speed <= 0:
        raise DemoError(f"--speed {args.speed:g}: it must be more than 0.")
    own_start = demo_options.checked_frame(args.start, option="--start") if args.start else None
    own_end = demo_options.checked_frame(args.end, option="--end") if args.end else None
    if args.port is not None:
        require_free(args.port, option="--port")
    return demo_options.Options(
        start=own_start or demo_options.START,
        end=own_end or (None if own_start else demo_options.END),
        prompt=args.prompt,
        duration=duration,
        sound=args.sound,
        keep=args.keep,
        output=args.output,
        home=args.home,
        port=args.port,
        speed=args.speed,
        story=args.story,
    )
