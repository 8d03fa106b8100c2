"""Whether two pictures look alike: a service may store a picture anew, smaller or in another format."""

from __future__ import annotations

import io
import warnings
from typing import Final

from kling_airflow.media.limits import MAX_PIXELS

_SIDE: Final = 16
_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_FAR: Final = 20.0
"""Mean difference of brightness, of 255, from which on two pictures show different things. A picture that was
coded anew differs by less than 1, one that was cropped by a tenth on each side by about 7."""


def look_alike(one: bytes, other: bytes) -> bool | None:
    """Return whether two pictures look alike in 16 x 16 grey pixels; None if one of them can't be decoded.

    :param one: a file of any format, perhaps cut; JPEG, PNG and WebP are decoded.
    """
    first, second = _thumbnail(one), _thumbnail(other)
    if first is None or second is None:
        return None
    difference = sum(abs(a - b) for a, b in zip(first, second, strict=True)) / len(first)
    return difference < _FAR


def _thumbnail(data: bytes) -> bytes | None:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    return None
                picture.draft("L", (_SIDE, _SIDE))
                return picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()
    except Exception:  # Pillow's decoders raise many kinds
        return None
