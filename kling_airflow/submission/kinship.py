"""Whose a request of the queue's list is, by the ids and the picture in its frame."""

from __future__ import annotations

from enum import Enum
from typing import Final

from kling_airflow.media.picture_likeness import look_alike
from kling_airflow.submission.identity import VIDEO
from kling_airflow.submission.order import Frame, Order
from kling_airflow.submission.task_key import TaskKey

SIBLINGS: Final = 1024
"""Map indexes whose orders are recognized in a list; Airflow's own limit of a mapped task, by default."""


class Kinship(Enum):
    """What a row of the list is to an order."""

    OURS = "carries the order's id"
    SIBLING = "carries the id of the same order of another mapped instance"
    CANDIDATE = "asks the same with the same picture, and carries no order's id"
    UNCLEAR = "may ask the same, but its echo or its picture can't be read"
    FOREIGN = "asks something else, or carries another order's id"


def sibling_ids(key: TaskKey, order: Order) -> frozenset[str]:
    """Return the ids that the order has in the other mapped instances of the task."""
    if key.map_index < 0:
        return frozenset()
    indexes = (index for index in range(-1, SIBLINGS) if index != key.map_index)
    return frozenset(key.sibling(index).order(order.fingerprint, order.take) for index in indexes)


def is_another(picture: bytes, frame: Frame) -> bool:
    """Return whether a picture surely shows something else, and is not the frame cut or stored anew.

    A video is compared by its bytes alone.
    """
    if frame.identity.startswith(VIDEO):
        return True
    data: bytes | None = getattr(frame, "data", None)
    return data is not None and look_alike(picture, data) is False


def by_ids(ids: set[str], own: str, siblings: frozenset[str]) -> Kinship:
    """Return whose a request is, by the ids in its frame."""
    if own in ids:
        return Kinship.OURS
    return Kinship.SIBLING if ids & siblings else Kinship.FOREIGN
