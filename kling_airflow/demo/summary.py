"""The summary after a successful demo: the clip, its price on the real service, its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Result:
    """A landed clip and its copies on this machine.

    :param clip: what the sensor returned.
    :param landed: what the transfer returned.
    :param files: label ("Clip", "Poster", "Sidecar") to the copy.
    :param billed: how many requests the queue's ledger shows as billed.
    :param seconds: how long all of it took.
    """

    clip: dict[str, Any]
    landed: dict[str, Any]
    files: dict[str, Path]
    billed: int
    seconds: float


def show(console: Console, result: Result) -> None:
    """Print the summary."""
    landed = result.landed
    table = Table(box=box.ROUNDED, show_header=False, padding=(0, 1), border_style="green")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, file in result.files.items():
        table.add_row(label, Text(f"{shortest(file)}  ({size(file.stat().st_size)})", style="bold"))
    table.add_section()
    table.add_row("Duration", f"{landed['duration_seconds']:.2f} s")
    table.add_row("Resolution", f"{landed['width']} x {landed['height']}, {landed['fps']:g} frames a second")
    table.add_row("Audio", "a track, as asked for" if landed["has_audio"] else "none")
    table.add_row("Cost", cost(result.clip.get("cost_usd"), result.billed))
    table.add_row(
        "Billed", f"{result.billed} request{'' if result.billed == 1 else 's'}, by the simulator's ledger"
    )
    table.add_row("SHA-256", landed["sha256"])
    table.add_section()
    table.add_row("In the bucket", landed["uri"])
    table.add_row("Request", landed["request_id"])
    table.add_row("Took", f"{result.seconds:.0f} s, from an empty folder")
    heading = Text("Your clip has landed", style="bold green")
    console.print(Padding(Group(heading, table), (1, 0, 0, 2), expand=False))


def cost(usd: float | None, billed: int) -> str:
    """Return the text on the clip's cost.

    :param usd: the price of one request, if it is known.
    :param billed: how many requests were billed.
    """
    if usd is None:
        return "$0 here; the real price isn't known"
    return f"${usd * billed:.2f} on the real service, $0 here"


def size(count: int) -> str:
    """Return a number of bytes as text in MB or kB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def shortest(path: Path) -> Path:
    """Return the path relative to the current folder where it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
