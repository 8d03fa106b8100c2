"""Draws ``docs/img/architecture.svg`` from the real imports: ``python -m tests.structure.draw``.

A room is a folder. The single modules beside the rooms are left out, and each arrow that a longer way says.
A test holds the picture against the code.
"""

from __future__ import annotations

from html import escape

from tests.structure.imports import ROOT, reduced, room_graph

PICTURE = ROOT / "docs" / "img" / "architecture.svg"
_WIDTH, _BOX, _HIGH, _GAP, _ROW = 640, 124, 34, 16, 74


def arrows() -> dict[str, frozenset[str]]:
    """Return the arrows to draw: for each folder, the folders right below it."""
    folders = {room for room in room_graph() if (ROOT / "kling_airflow" / room).is_dir()}
    return reduced({room: room_graph()[room] & folders for room in folders})


def rows() -> list[list[str]]:
    """Return the rooms from top to bottom: a room stands above everything that it imports."""
    graph = arrows()
    depth: dict[str, int] = {}

    def measure(room: str) -> int:
        if room not in depth:
            depth[room] = 1 + max((measure(other) for other in graph[room]), default=-1)
        return depth[room]

    for room in graph:
        measure(room)
    return [
        sorted(room for room in graph if depth[room] == level) for level in range(max(depth.values()), -1, -1)
    ]


def picture() -> str:
    """Return the SVG."""
    place = {}
    for number, row in enumerate(rows()):
        left = (_WIDTH - len(row) * (_BOX + _GAP) + _GAP) / 2
        for column, room in enumerate(row):
            place[room] = (left + column * (_BOX + _GAP), 20 + number * _ROW)
    lines = [
        _line(room, other, place) for room, others in sorted(arrows().items()) for other in sorted(others)
    ]
    boxes = [_box(room, *place[room]) for room in sorted(place)]
    height = 20 + len(rows()) * _ROW
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
            ' font-family="sans-serif" role="img"',
            ' aria-label="The rooms of the package and the arrows of their imports">',
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"',
            ' orient="auto"><path d="M0 0L8 4L0 8z" fill="#64748b"/></marker></defs>',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff" rx="8"/>',
            *lines,
            *boxes,
            "</svg>",
            "",
        ]
    )


def _line(room: str, other: str, place: dict[str, tuple[float, float]]) -> str:
    (x1, y1), (x2, y2) = place[room], place[other]
    start, end = y1 + _HIGH, y2 - 1
    bend = (end - start) / 2
    return (
        f'<path data-from="{room}" data-to="{other}" d="M{x1 + _BOX / 2:.0f} {start:.0f}'
        f" C{x1 + _BOX / 2:.0f} {start + bend:.0f} {x2 + _BOX / 2:.0f} {end - bend:.0f}"
        f' {x2 + _BOX / 2:.0f} {end:.0f}" fill="none" stroke="#64748b" marker-end="url(#head)"/>'
    )


def _box(room: str, x: float, y: float) -> str:
    name = escape(f"{room}/")
    return (
        f'<g><rect x="{x:.0f}" y="{y:.0f}" width="{_BOX}" height="{_HIGH}" rx="6" fill="#e0e7ff"'
        ' stroke="#475569"/>'
        f'<text x="{x + _BOX / 2:.0f}" y="{y + 22:.0f}" font-size="13" text-anchor="middle" fill="#0f172a">'
        f"{name}</text></g>"
    )


if __name__ == "__main__":
    PICTURE.write_text(picture())
