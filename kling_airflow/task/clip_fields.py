"""The fields of a finished clip that the queue's record leaves out, taken from what the task asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.submission.order import Log


def completed(
    clip: Mapping[str, Any], asked: Mapping[str, Any], price_usd: Callable[[], float | None], log: Log
) -> dict[str, Any]:
    """Return a clip with the fields that the queue didn't echo.

    :param clip: the clip as the queue's record says.
    :param asked: the clip's fields as the task asked for them.
    :param price_usd: asks for the price; called only if neither says what the clip cost. The clip is there,
        so an error of this call must not fail the task: the price stays unknown.
    """
    result = {name: asked.get(name) if value is None else value for name, value in clip.items()}
    if result.get("cost_usd") is None:
        try:
            result["cost_usd"] = price_usd()
        except Exception as error:
            log.warning("The price of the clip is not known: %s", type(error).__name__)
    return result
