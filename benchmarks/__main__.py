"""``make bench``: run each ``bench_*.py`` of this folder but the long ones, or those that are named."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PREFIX = "bench_"
LONG = {"day", "storyboard", "triggerer", "triggerers", "waiting"}
"""Minutes and more: these run only if they are named, here or by a target of the Makefile."""


def main() -> int:
    """Run each benchmark in a process of its own; return 1 if one of them failed."""
    known = {file.stem.removeprefix(PREFIX): file for file in sorted(HERE.glob(f"{PREFIX}*.py"))}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"some of: {', '.join(known)} (default: all but {', '.join(sorted(LONG))})",
    )
    chosen, options = parser.parse_known_args()
    names = chosen.names or [name for name in known if name not in LONG]
    if options and len(names) != 1:
        parser.error(f"options belong to one benchmark: {' '.join(options)}")
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}")
    failed = [
        name
        for name in names
        if subprocess.run(
            [sys.executable, "-m", f"benchmarks.{known[name].stem}", *options], cwd=HERE.parent, check=False
        ).returncode
    ]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
