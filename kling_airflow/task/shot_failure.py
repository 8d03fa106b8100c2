"""What a failed shot of a mapped task leaves behind, so that the others land under their own names.

A mapped task that fails returns nothing, and the list of what its map indexes returned gets shorter: from
there on ``clips.zip(names)`` pairs each clip with another's name (Airflow 3.3.2 counts XComs). So a failed
map index leaves a dict at its place that says what happened, and the tasks behind it fail with the same
words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kling_airflow.errors import GenerationFailed, KlingError, Money

RETURN_VALUE: Final = "return_value"
_FREE: Final = (Money.UNSPENT, Money.NOT_BILLED)


@contextmanager
def keeping_place(context: Mapping[str, Any], *, label: str | None) -> Iterator[None]:
    """Leave, if a mapped task fails, a dict at its place in the list of what the map indexes return.

    The dict has the fields of a clip that isn't there, and ``error``, ``money``, ``todo``.

    :param label: the shot's name.
    """
    try:
        yield
    except KlingError as error:
        ti = context.get("ti")
        map_index = getattr(ti, "map_index", -1)
        if ti is not None and map_index is not None and map_index >= 0:
            ti.xcom_push(key=RETURN_VALUE, value=_failed(error, label))
        raise


def raise_if_failed(value: object) -> None:
    """Raise what a failed shot has left, if that is what an upstream task hands on.

    :raises GenerationFailed: with the words of the task that failed.
    """
    if isinstance(value, Mapping) and value.get("error"):
        money = next((each for each in Money if each.value == value.get("money")), Money.UNKNOWN)
        name = f"shot {value['label']!r}" if value.get("label") else "this shot"
        raise GenerationFailed(
            f"There is no clip of {name}: {value['error']}",
            money=money,
            todo="Clear the task that failed, and what follows, once its cause is put right.",
            request_id=value.get("request_id"),
        )


def _failed(error: KlingError, label: str | None) -> dict[str, Any]:
    return {
        "request_id": error.request_id,
        "label": label,
        "status": "failed",
        "video_url": None,
        "cost_usd": 0.0 if error.money in _FREE else None,
        "error": error.what,
        "money": error.money.value,
        "todo": error.todo,
    }
