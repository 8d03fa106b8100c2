"""Videos as users have them, tiny ones."""

from __future__ import annotations

import io
from functools import cache

import av
from PIL import Image


@cache
def movie(seconds: int, rate: int = 4) -> bytes:
    """An MP4 of so many seconds."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(seconds * rate):
            picture = Image.new("RGB", (64, 64), (number % 256, 80, 120))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    return buffer.getvalue()
