"""The options of the command, checked before any process is started."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from kling_airflow.demo.errors import DemoError
from kling_airflow.errors import InvalidArgument
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.payloads import ClipOptions

FRAMES = Path(__file__).parent / "frames"
START = FRAMES / "rocket.jpg"
END = FRAMES / "hubble_deep_field.jpg"
PROMPT = (
    "The rocket lifts off in a bloom of light; the camera rises with it through the blue of the day, "
    "past the edge of the air, until only a field of distant galaxies remains."
)
DURATION = 5
# A clip takes about 165 s on the real service. This speed makes it 8 s: the sensor's second poll finds it.
SPEED = 20.0
NEEDED = {
    "moto": "moto[server]",
    "flask": "moto[server]",
    "boto3": "boto3",
    "s3fs": "s3fs",
    "uvicorn": "uvicorn",
}


@dataclass(frozen=True, slots=True)
class Options:
    """One demo.

    :param start: image file of the start frame.
    :param end: image file of the end frame, or None for a clip that ends where the model likes.
    :param prompt: what happens in the clip.
    :param duration: seconds.
    :param sound: whether the clip gets an audio track.
    :param keep: leave everything up afterwards, until Ctrl-C.
    :param output: the folder that gets clip, poster and sidecar.
    :param home: the folder of everything that runs.
    :param port: of Airflow's UI; None for a free one.
    :param speed: how many times faster than the real service the simulator works.
    :param story: whether a storyboard becomes a film, instead of two photographs a clip.
    """

    start: Path
    end: Path | None
    prompt: str
    duration: int
    sound: bool
    keep: bool
    output: Path
    home: Path
    port: int | None
    speed: float
    story: bool = False


def checked_frame(text: str, *, option: str) -> Path:
    """Return the image file, or raise an error that says what is wrong with it.

    :param text: a path, as typed.
    :param option: the command line option it came from.
    :raises DemoError: if there is no such file, or it isn't an image.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(text).expanduser()
    if not path.is_file():
        raise DemoError(f"{option} {text}: there is no such file.")
    try:
        with Image.open(path) as image:
            image.verify()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DemoError(f"{option} {text}: this is not an image that can be read ({error}).") from error
    return path


def check_payload(*, prompt: str, duration: str, sound: bool) -> int:
    """Check prompt and duration against the model's limits; return the duration in seconds.

    :raises DemoError: naming field, value and limit.
    """
    try:
        options = ClipOptions.of(IMAGE_TO_VIDEO, prompt=prompt, duration=duration, sound=sound)
    except InvalidArgument as error:
        raise DemoError(f"{error.what.rstrip('.')}.") from error
    return int(options.duration or 0)


def require_tools() -> None:
    """Check that the packages of the extra ``demo`` are installed.

    :raises DemoError: naming those that aren't.
    """
    missing = sorted(
        {package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None}
    )
    if missing:
        raise DemoError(
            f"Missing here: {', '.join(missing)}. Install the demo's tools: pip install 'kling_airflow[demo]'"
        )


def dags_folder() -> Path:
    """Return the folder of example DAGs: the one of the checkout, else the one packaged with the demo.

    :raises DemoError: if there is neither.
    """
    here = Path(__file__).parent
    for folder in (here.parent.parent / "dags", here.parent / "example_dags"):
        if (folder / "kling_image_to_video.py").is_file():
            return folder
    raise DemoError("The example DAG kling_image_to_video.py is missing from this installation.")
