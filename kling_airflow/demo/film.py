"""The demo that makes a film of a storyboard: price, clips, contact sheet, film."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kling_airflow.demo.story import BUCKET, Demo
from kling_airflow.demo.summary import cost, shortest, size

if TYPE_CHECKING:
    from kling_airflow.demo.progress import Board
    from kling_airflow.demo.stack import Stack

STORYBOARD: Final = """\
title: To the stars
defaults: {{duration: {duration}, sound: {sound}}}
shots:
  - name: launch
    frame: {start}
    prompt: {prompt}
  - name: flight
    continues: true
    prompt: The camera goes on, faster and faster.
  - name: arrival
    frame: {end}
    prompt: The galaxies turn slowly.
    takes: 2
"""
BUDGET_USD: Final = 50


@dataclass(frozen=True, slots=True)
class Film:
    """A film and its copies on this machine.

    :param report: what the storyboard's task returned.
    :param landed: what the film's task returned.
    :param files: label to the copy.
    :param billed: how many requests the queue's ledger shows as billed.
    :param seconds: how long all of it took.
    """

    report: dict[str, Any]
    landed: dict[str, Any]
    files: dict[str, Path]
    billed: int
    seconds: float


class FilmDemo(Demo):
    """One run of the demo with ``--story``."""

    dag_id = "kling_storyboard"
    doing = "Airflow makes the film"

    def _parameters(self, stack: Stack) -> dict[str, Any]:
        """Store the storyboard and its stills; return the values of the DAG's params."""
        options = self._options
        stills = {"start": options.start, "end": options.end or options.start}
        for still in set(stills.values()):
            stack.store.upload(still, f"{BUCKET}/boards/{still.name}")
        board = stack.home / "shots.yaml"
        board.write_text(
            STORYBOARD.format(
                duration=options.duration,
                sound="yes" if options.sound else "no",
                prompt=repr(options.prompt.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")),
                **{name: still.name for name, still in stills.items()},
            )
        )
        return {
            "storyboard": stack.store.upload(board, f"{BUCKET}/boards/shots.yaml"),
            "bucket": BUCKET,
            "budget_usd": BUDGET_USD,
            "approve": False,
        }

    def _collect(self, stack: Stack, board: Board, run_id: str) -> Film:
        """Copy film, contact sheet and report to this machine."""
        board.step("Copying the film out of the bucket")
        api = stack.airflow.api
        landed = api.xcom(self.dag_id, run_id, "film")
        report = api.xcom(self.dag_id, run_id, "clips")
        uris = {
            "Film": landed["uri"],
            "Contact sheet": api.xcom(self.dag_id, run_id, "sheet"),
            "Timeline": landed["timeline_uri"],
            "Captions": landed["captions_uri"],
            "Report": report["report_uri"],
        }
        output = self._options.output.resolve()
        files = {
            label: stack.store.download(uri, output) for label, uri in uris.items() if isinstance(uri, str)
        }
        return Film(report, landed, files, stack.queue.billed(), board.seconds)

    def _show(self, result: Film) -> None:
        shots = Table(box=box.SIMPLE, padding=(0, 1))
        for column in ("SHOT", "STATE", "SECONDS", "COST", "IN THE BUCKET"):
            shots.add_column(column, overflow="fold")
        for row in result.report["shots"]:
            price = "" if row["cost_usd"] is None else f"${row['cost_usd']:.2f}"
            seconds = "" if row["duration_seconds"] is None else f"{row['duration_seconds']:.2f}"
            shots.add_row(row["name"], row["state"], seconds, price, Text(row["uri"] or ""))
        table = Table(box=box.ROUNDED, show_header=False, padding=(0, 1), border_style="green")
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for label, file in result.files.items():
            table.add_row(label, Text(f"{shortest(file)}  ({size(file.stat().st_size)})", style="bold"))
        table.add_section()
        table.add_row("Duration", f"{result.landed['duration_seconds']:.2f} s")
        table.add_row("Cost", cost(result.report["cost_usd"] / max(1, result.billed), result.billed))
        table.add_row("Billed", f"{result.billed} requests, by the simulator's ledger")
        table.add_row("Took", f"{result.seconds:.0f} s, from an empty folder")
        heading = Text("Your film has landed", style="bold green")
        self._console.print(Padding(Group(heading, shots, table), (1, 0, 0, 2), expand=False))
