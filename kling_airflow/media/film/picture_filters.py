"""The pictures of one clip brought to the film's size, rate and colors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from kling_airflow.media.clip_reader import opened, pictures
from kling_airflow.media.film.facts import ClipFacts
from kling_airflow.media.film.graph import Pipe, Step, row
from kling_airflow.media.limits import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from av.filter import Graph
    from av.filter.context import FilterContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FITS = ("pad", "crop", "blur")
"""How a clip of another shape is fitted: bars, cut edges, or bars made of the blurred clip."""

_TURNS: dict[str, list[Step]] = {
    "ROTATE_90": [("transpose", "cclock")],
    "ROTATE_180": [("hflip", ""), ("vflip", "")],
    "ROTATE_270": [("transpose", "clock")],
    "FLIP_LEFT_RIGHT": [("hflip", "")],
    "FLIP_TOP_BOTTOM": [("vflip", "")],
    "TRANSPOSE": [("transpose", "cclock_flip")],
    "TRANSVERSE": [("transpose", "clock_flip")],
}
_MATRICES = {1: "bt709", 4: "fcc", 5: "smpte170m", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}
_BLUR_SCALE = 8  # the background is blurred at an eighth of the size


@dataclass(frozen=True)
class Look:
    """What every picture of a film is like.

    :param width: pixels, even.
    :param height: pixels, even.
    :param rate: pictures per second.
    :param fit: "pad", "crop" or "blur".
    :param background: the color of the bars that "pad" makes.
    """

    width: int
    height: int
    rate: Fraction
    fit: str = "pad"
    background: str = "black"


def fitted(clip: ClipFacts, look: Look, *, max_pixels: int = MAX_CLIP_PIXELS) -> Iterator[VideoFrame]:
    """Yield a clip's pictures as the film has them, in constant memory.

    :raises InvalidClip: the clip can't be read.
    """
    with opened(clip.path, max_pixels=max_pixels) as (container, video):
        yield from _graph(clip, look, video).send(pictures(container, video))


def _graph(clip: ClipFacts, look: Look, video: VideoStream) -> Pipe:
    from av.filter import Graph

    graph = Graph()
    context = video.codec_context
    aspect, base = clip.sample_aspect, video.time_base
    begin = graph.add(
        "buffer",
        f"video_size={context.width}x{context.height}:pix_fmt={context.pix_fmt}"
        f":time_base={base}:pixel_aspect={aspect.numerator}/{aspect.denominator}",
    )
    # First the rate: what it drops need not be scaled.
    upright = [
        ("setpts", "PTS-STARTPTS"),
        ("fps", f"fps={look.rate}:round=near"),
        *_TURNS.get(clip.turn or "", []),
    ]
    last = _fit(graph, row(graph, begin, upright), clip, look)
    return Pipe.closed(graph, begin, row(graph, last, [("setsar", "1"), ("format", "yuv420p")]))


def _fit(graph: Graph, before: FilterContext, clip: ClipFacts, look: Look) -> FilterContext:
    colors = (
        f"in_color_matrix={_MATRICES.get(clip.matrix, 'bt709')}:out_color_matrix=bt709"
        f":in_range={'full' if clip.full_range else 'limited'}:out_range=limited"
    )
    inner, outer = _inner(clip, look), _outer(clip, look)
    if inner == (look.width, look.height):
        return row(graph, before, [("scale", f"{inner[0]}:{inner[1]}:{colors}")])
    if look.fit == "crop":
        cut = ("crop", f"{look.width}:{look.height}")
        return row(graph, before, [("scale", f"{outer[0]}:{outer[1]}:{colors}"), cut])
    small = ("scale", f"{inner[0]}:{inner[1]}:{colors}")
    if look.fit == "pad":
        pad = f"{look.width}:{look.height}:(ow-iw)/2:(oh-ih)/2:color={look.background}"
        return row(graph, before, [small, ("format", "yuv420p"), ("pad", pad)])
    split = row(graph, before, [("split", "2")])
    back = graph.add("scale", f"{_even(outer[0] / _BLUR_SCALE)}:{_even(outer[1] / _BLUR_SCALE)}:{colors}")
    split.link_to(back, 0, 0)
    wide = f"{look.width}:{look.height}:force_original_aspect_ratio=increase"
    behind = row(
        graph,
        back,
        [("gblur", "sigma=4"), ("scale", wide), ("crop", f"{look.width}:{look.height}"), ("setsar", "1")],
    )
    front = graph.add(*small)
    split.link_to(front, 1, 0)
    over = graph.add("overlay", "(W-w)/2:(H-h)/2")
    behind.link_to(over, 0, 0)
    row(graph, front, [("setsar", "1")]).link_to(over, 0, 1)
    return over


def _inner(clip: ClipFacts, look: Look) -> tuple[int, int]:
    """Return the largest even size of the clip's shape within the film's."""
    factor = min(look.width / clip.width, look.height / clip.height)
    return min(look.width, _even(clip.width * factor)), min(look.height, _even(clip.height * factor))


def _outer(clip: ClipFacts, look: Look) -> tuple[int, int]:
    """Return the smallest even size of the clip's shape around the film's."""
    factor = max(look.width / clip.width, look.height / clip.height)
    return max(look.width, _even(clip.width * factor)), max(look.height, _even(clip.height * factor))


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))
