"""A task's log from the REST API, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_airflow.demo.airflow_api import LogEntry

FRAMES_SHOWN = 4


def as_lines(entries: Iterable[LogEntry]) -> Iterator[str]:
    """Yield ``LEVEL message`` lines, and of each error where it happened and what it says.

    :param entries: text, or structured entries with ``level``, ``event`` and ``error_detail``.
    """
    for entry in entries:
        if isinstance(entry, str):
            yield from entry.splitlines()
            continue
        event = str(entry.get("event", ""))
        if event.startswith(("::group::", "::endgroup::")):
            continue
        yield f"{str(entry.get('level') or '').upper():7} {event}".strip()
        for error in entry.get("error_detail") or ():
            for frame in (error.get("frames") or ())[-FRAMES_SHOWN:]:
                yield f"          {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}"
            yield f"        {error.get('exc_type')}: {error.get('exc_value')}"


def cause(entries: Iterable[LogEntry]) -> str | None:
    """Return the text of the last error with a traceback, or None.

    :param entries: as for :func:`as_lines`.
    """
    last = None
    for entry in entries:
        if isinstance(entry, dict) and (details := entry.get("error_detail")):
            # The first error of a chain is the error that ended the task; the others are its causes.
            last = f"{details[0].get('exc_type')}: {details[0].get('exc_value')}"
    return last
