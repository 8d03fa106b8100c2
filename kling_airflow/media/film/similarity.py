"""How alike two pictures are to the eye: SSIM, computed with Pillow alone."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_BLOCK = 8  # pixels; each block of the picture is compared by itself
_WIDTH = 256  # of the compared pictures: finer grain is the encoder's, not the picture's
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(one: Image.Image, other: Image.Image) -> float:
    """Return the mean structural similarity of two pictures: 1 for the same, near 0 for unlike ones.

    Both are compared in gray, 256 pixels wide, the second brought to the shape of the first. The formula is
    that of Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004),
    in blocks of 8 x 8 pixels.
    """
    from PIL import Image as Pillow

    height = max(_BLOCK, round(one.height * _WIDTH / one.width / _BLOCK) * _BLOCK)
    size, way = (_WIDTH, height), Pillow.Resampling.BOX
    x, y = (picture.convert("L").resize(size, way).convert("F") for picture in (one, other))
    return _mean(*(_blocks(image) for image in (x, y, _times(x, x), _times(y, y), _times(x, y))))


def _mean(mx: Any, my: Any, mxx: Any, myy: Any, mxy: Any) -> float:
    total = 0.0
    for x, y, xx, yy, xy in zip(mx, my, mxx, myy, mxy, strict=True):
        own_x, own_y, shared = xx - x * x, yy - y * y, xy - x * y
        likeness = (2 * x * y + _C1) * (2 * shared + _C2)
        total += likeness / ((x * x + y * y + _C1) * (own_x + own_y + _C2))
    return total / len(mx)


def _times(one: Image.Image, other: Image.Image) -> Image.Image:
    from PIL import ImageMath

    product: Any = ImageMath.lambda_eval(lambda given: given["one"] * given["other"], one=one, other=other)
    return product  # type: ignore[no-any-return]


def _blocks(image: Image.Image) -> array[float]:
    """Return the mean of each block."""
    return array("f", image.reduce(_BLOCK).tobytes())
