"""Pictures for the tests, made or photographed."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageCms

PHOTOS = Path(__file__).parents[2] / "kling_airflow" / "demo" / "frames"
ROCKET = PHOTOS / "rocket.jpg"  # 640 x 427
HUBBLE = PHOTOS / "hubble_deep_field.jpg"  # 1000 x 872

RED, GREEN, BLUE, WHITE = (220, 20, 30), (20, 200, 40), (30, 40, 210), (250, 250, 250)


def encoded(image: Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    """The image as a file of that kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """The file as a decoded image."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def quarters(width: int, height: int) -> Image.Image:
    """Red, green, blue and white quarters, from top left to bottom right: shows every turn and cut."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def corners(image: Image.Image, inset: float = 0.1) -> list[tuple[int, ...]]:
    """The colors near the four corners, from top left to bottom right."""
    x, y = int(image.width * inset), int(image.height * inset)
    right, bottom = image.width - 1 - x, image.height - 1 - y
    found = [image.getpixel(at) for at in ((x, y), (right, y), (x, bottom), (right, bottom))]
    return [at if isinstance(at, tuple) else (int(at or 0),) for at in found]


def near(color: object, expected: tuple[int, ...], tolerance: int = 6) -> bool:
    """Whether two colors look the same."""
    assert isinstance(color, tuple), color
    assert len(color) == len(expected), (color, expected)
    return all(abs(a - b) <= tolerance for a, b in zip(color, expected, strict=True))


def noise(width: int, height: int) -> Image.Image:
    """What compresses worst."""
    return Image.merge("RGB", [Image.effect_noise((width, height), 90 + at) for at in range(3)])


def swapped_profile() -> bytes:
    """A valid RGB profile in which red and green have changed places, so that using it shows."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    at = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, green = at[b"rXYZ"] + 4, at[b"gXYZ"] + 4
    profile[red : red + 8], profile[green : green + 8] = profile[green : green + 8], profile[red : red + 8]
    return bytes(profile)
