"""PyAV's filter graphs with fewer words: nodes in a row, frames in, frames out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.filter import Graph
    from av.filter.context import FilterContext
    from av.video.frame import VideoFrame

Step = tuple[str, str]
"""A filter's name and its arguments, as FFmpeg's documentation of filters has them."""


def row(graph: Graph, before: FilterContext, steps: Iterable[Step]) -> FilterContext:
    """Put filters behind a node, one after the other, and return the last."""
    for name, arguments in steps:
        node = graph.add(name, arguments)
        before.link_to(node)
        before = node
    return before


@dataclass(frozen=True)
class Pipe:
    """A graph with one input and one output.

    :param graph: kept here because nodes do not keep their graph alive (PyAV 15 to 18): without it they
        point to freed memory.
    """

    graph: Graph
    begin: FilterContext
    end: FilterContext

    @classmethod
    def closed(
        cls, graph: Graph, begin: FilterContext, last: FilterContext, kind: str = "buffersink"
    ) -> Pipe:
        """Return the graph with a sink behind its last node, ready for frames."""
        end = row(graph, last, [(kind, "")])
        graph.configure()
        return cls(graph, begin, end)

    def send(self, frames: Iterable[VideoFrame | AudioFrame]) -> Iterator[Any]:
        """Send frames through, up to their end, and yield what comes out."""
        for frame in frames:
            self.begin.push(frame)
            yield from pulled(self.end)
        self.begin.push(None)
        yield from pulled(self.end)


def pulled(end: FilterContext) -> Iterator[Any]:
    """Yield the frames that a graph has ready."""
    import av

    while True:
        try:
            yield end.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
