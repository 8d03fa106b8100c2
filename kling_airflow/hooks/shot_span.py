"""The span of a storyboard's take. It is made when the take has landed or failed, in whichever process.

The take's submission, wait and landing hang under it, and are made before it: its id is a hash of the
storyboard's own place in the trace and of the take's name, so that each process knows it without being told.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING

from kling_airflow.hooks.span_names import SHOT_SPAN
from kling_airflow.hooks.tracing import emit, failed, is_on

if TYPE_CHECKING:
    from collections.abc import Mapping


def shot_place(storyboard: str | None, take: str) -> str | None:
    """Return the place of a take's span (W3C ``traceparent``), None if tracing is off.

    :param storyboard: the place of the storyboard's first span; None if tracing is off.
    :param take: the take's name.
    """
    if not isinstance(storyboard, str) or storyboard.count("-") != 3:
        return None
    version, trace_id, _, flags = storyboard.split("-")
    span_id = sha256(f"{storyboard}/{take}".encode()).hexdigest()[:16]
    return f"{version}-{trace_id}-{span_id}-{flags}"


def end_shot(
    storyboard: str | None, take: str, *, began_at: float | None, values: Mapping[str, object]
) -> None:
    """Make the span of a take that has landed or failed; nothing if tracing is off.

    :param storyboard: the place of the storyboard's first span; None if tracing is off.
    :param take: the take's name.
    :param began_at: when its submission began, in Unix seconds; None if it did not begin.
    :param values: attributes, by their names in ``span_names.py``.
    """
    place = shot_place(storyboard, take)
    if place is None or not is_on():
        return
    try:
        from kling_airflow.hooks.airflow_tracer import read_place

        emit(
            SHOT_SPAN,
            under=read_place(storyboard),
            span_id=int(place.split("-")[2], 16),
            began_at=min(began_at or time.time(), time.time()),
            values={"shot": take, **values},
            is_error=values.get("shot_state") == "failed",
        )
    except Exception as error:
        failed(error)
