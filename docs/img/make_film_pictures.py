"""Make the pictures of the pages on films: ``.venv/bin/python docs/img/make_film_pictures.py``.

Clips are rendered by the simulator from the demo's own photographs and put through the package. Written
beside this file: ``contact-sheet.jpg``, ``film-shapes.jpg``, ``film-preview.webp``. None is drawn by hand.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

import kling_airflow.demo
from kling_airflow.media.film.contact_sheet import SheetTake, contact_sheet
from kling_airflow.media.film.frames import stills
from kling_airflow.media.film.join import FilmOptions, join
from kling_airflow.media.film.preview import preview
from kling_airflow.media.film.take_check import check_take
from kling_airflow.simulator.media.render import Job, render

HERE = Path(__file__).parent
FRAMES = Path(kling_airflow.demo.__file__).parent / "frames"
SIZE = (1280, 720)
HEIGHT = 200


def main() -> None:
    """Render two takes and a film of them, and write the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = clip(folder, "one", "rocket.jpg", "hubble_deep_field.jpg")
        two = clip(folder, "two", "hubble_deep_field.jpg", None)
        frame = (folder / "rocket.png").read_bytes()
        takes = [
            SheetTake(path=path, title=title, note=" ".join(check_take(path, start_frame=frame).problems))
            for path, title in ((one, "launch, take 1"), (two, "launch, take 2"))
        ]
        (HERE / "contact-sheet.jpg").write_bytes(contact_sheet(takes, columns=5))
        film = join([one, two], folder / "film.mp4", FilmOptions(transition="fade", preset="veryfast"))
        (HERE / "film-preview.webp").write_bytes(preview(film.path, film.seconds, "webp"))
        shapes(folder, one)


def clip(folder: Path, name: str, start: str, end: str | None) -> Path:
    """Render a clip of 3 s that begins on one photograph, and ends on another if there is one."""
    paths = []
    for each in filter(None, (start, end)):
        path = folder / f"{each.partition('.')[0]}.png"
        ImageOps.fit(Image.open(FRAMES / each).convert("RGB"), SIZE).save(path)
        paths.append(str(path))
    target = folder / f"{name}.mp4"
    render(job(paths, target))
    return target


def job(frames: list[str], target: Path) -> Job:
    """Return what the simulator renders."""
    return Job(
        start=frames[0],
        end=frames[1] if len(frames) > 1 else None,
        seconds=3,
        width=SIZE[0],
        height=SIZE[1],
        sound=True,
        words="A rocket lifts off.",
        clip=str(target),
        thumbnail=str(target.with_suffix(".jpg")),
    )


def shapes(folder: Path, source: Path) -> None:
    """Show a clip in another shape, fitted in each way."""
    shown = []
    for shape, fit in (("16:9", "pad"), ("9:16", "pad"), ("9:16", "crop"), ("9:16", "blur"), ("1:1", "blur")):
        film = join([source], folder / "shape.mp4", FilmOptions(shape=shape, fit=fit, preset="ultrafast"))
        picture = next(stills(film.path, [0.5])).image
        picture = picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT))
        shown.append((f"{shape} {fit}" if shape != "16:9" else "the clip", picture))
    sheet = Image.new("RGB", (sum(each.width + 8 for _, each in shown) + 8, HEIGHT + 34), "#ffffff")
    draw, left = ImageDraw.Draw(sheet), 8
    for text, picture in shown:
        sheet.paste(picture, (left, 8))
        draw.text((left, HEIGHT + 12), text, fill="#111827", font=ImageFont.load_default(13))
        left += picture.width + 8
    sheet.save(HERE / "film-shapes.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
