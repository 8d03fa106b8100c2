"""Make the pictures of README and docs from a real run: ``.venv/bin/python docs/img/make_pictures.py``.

Runs the demo's DAG on a real Airflow with the demo's own photographs, and writes beside this file
``frame-first.jpg``, ``frame-middle.jpg`` and ``frame-last.jpg`` out of the clip that landed, and
``demo.svg``, what the terminal shows. No picture is drawn or retouched by hand.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from kling_airflow.demo.options import DURATION, END, PROMPT, SPEED, START, Options
from kling_airflow.demo.progress import Board, TaskRow
from kling_airflow.demo.story import Demo

if TYPE_CHECKING:
    from PIL import Image

HERE = Path(__file__).parent
WIDTH = 640
COLUMNS = 100


class Photographed(Board):
    """A board that keeps a picture of itself, taken while the sensor is deferred."""

    picture: object = None

    def tasks(self, rows: list[TaskRow]) -> None:
        """Show the tasks, and remember how that looks."""
        super().tasks(rows)
        if any(row.state == "deferred" and "processing" in row.doing for row in rows):
            type(self).picture = self.render()


def main() -> None:
    """Run the demo once and write the four pictures."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        options = Options(
            start=START,
            end=END,
            prompt=PROMPT,
            duration=DURATION,
            sound=True,
            keep=False,
            output=Path("demo-output"),
            home=Path(".demo"),
            port=None,
            speed=SPEED,
        )
        Demo(options, console, board=Photographed).run()
        write_frames(next(options.output.glob("*.mp4")))
    shown = console.export_text(styles=True)
    write_terminal(shown.rpartition("Your clip has landed")[2].rpartition("╯")[0] + "╯")


def write_frames(clip: Path) -> None:
    """Write the clip's first, middle and last frame."""
    import av

    with av.open(str(clip)) as container:
        pictures: list[Image.Image] = [frame.to_image() for frame in container.decode(video=0)]
    chosen = {"first": pictures[0], "middle": pictures[len(pictures) // 2], "last": pictures[-1]}
    for name, picture in chosen.items():
        height = round(picture.height * WIDTH / picture.width)
        picture.resize((WIDTH, height)).save(HERE / f"frame-{name}.jpg", quality=85, optimize=True)


def write_terminal(summary: str) -> None:
    """Write what the terminal shows: the board in the middle of the run, and the summary."""
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print("$ make demo\n", style="bold")
    console.print(Photographed.picture)
    console.print(Text.from_ansi(f"\n  \x1b[1;32mYour clip has landed\x1b[0m{summary}".rstrip()))
    svg = console.export_svg(title="make demo", theme=DIMMED_MONOKAI)
    # Its fonts come from elsewhere; the reader's own monospace does as well.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (HERE / "demo.svg").write_text(svg.replace("Fira Code", "ui-monospace"), encoding="utf-8")


if __name__ == "__main__":
    main()
