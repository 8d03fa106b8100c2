"""The picture of the simulator's page, taken by Chromium from a running simulator.

``python -m tests.docs.simulator_picture`` takes it anew. The picture remembers the page that it was taken of;
a test fails when the page has changed since.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from PIL import Image, PngImagePlugin

from kling_airflow.demo.options import END, PROMPT, START
from kling_airflow.gmi import GMIClient, Status
from kling_airflow.simulator import ManualClock, Simulator
from tests.docs.chromium import screenshot
from tests.simulator.waiting import wait_until

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "img" / "simulator.png"
PAGE = ROOT / "kling_airflow" / "simulator" / "http"
MODEL = "kling-v3-image-to-video"


def version() -> str:
    """Return what changes with the page's looks."""
    sources = [PAGE / "page.html", PAGE / "overview.py"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def version_of(picture: Path) -> str | None:
    """Return the version of the page that a picture was taken of."""
    with Image.open(picture) as image:
        return getattr(image, "text", {}).get("page")


def take(picture: Path, *, width: int = 1280, height: int = 1450) -> None:
    """Run a simulator with requests in each state, and take the picture of its page."""
    clock = ManualClock()
    with (
        Simulator(clock=clock, generation_seconds=60, submit_seconds=0, port=0) as simulator,
        GMIClient(simulator.api_key, base_url=simulator.base_url) as client,
    ):
        start, end = (client.upload(path.read_bytes(), "jpeg") for path in (START, END))
        frames = {"image": start, "image_tail": end, "duration": "5"}
        done = client.submit(MODEL, {**frames, "prompt": PROMPT, "sound": "on"})
        simulator.fail_next("rate limit exceeded(RPM)")
        failed = client.submit(
            MODEL, {"image": end, "prompt": "The galaxies drift apart.", "duration": "5", "sound": "off"}
        )
        ended = {done.request_id: Status.SUCCESS, failed.request_id: Status.FAILED}

        def both_ended() -> bool:
            clock.advance(1)
            return all(client.get(request_id).status is status for request_id, status in ended.items())

        wait_until(both_ended, within=120)
        simulator.wait_rendered()
        simulator.faults.add("list-lag", lag=30)
        words = {"prompt": "Slow waves at dusk, seen from a cliff.", "duration": "5", "sound": "off"}
        client.submit("kling-v3-text-to-video", words)
        clock.advance(40)
        client.submit(MODEL, {**frames, "prompt": "The rocket stands in the rain.", "sound": "off"})
        screenshot(f"{simulator.base_url}/_simulator/", picture, width=width, height=height)
    note = PngImagePlugin.PngInfo()
    note.add_text("page", version())
    with Image.open(picture) as image:
        image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(
            picture, pnginfo=note, optimize=True
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        take(taken := Path(folder) / "simulator.png")
        PICTURE.write_bytes(taken.read_bytes())
