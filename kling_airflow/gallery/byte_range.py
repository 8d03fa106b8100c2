"""The ``Range`` header of a request for a clip (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import Final

_ONE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range begins behind the end of the file."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the byte behind the last one; None for the whole file.

    Several ranges, and what is no range, are answered with the whole file, which is always permitted.

    :param header: the header; None if there is none.
    :param size: of the file.
    :raises Unsatisfiable: if no byte of the file is in the range.
    """
    found = _ONE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = int(found[2])
        if not length or not size:
            raise Unsatisfiable
        return max(0, size - length), size
    first = int(found[1])
    last = int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, min(last, size - 1) + 1
