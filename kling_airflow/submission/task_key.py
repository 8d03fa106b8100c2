"""Which task instance an order belongs to, and the names that follow from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

_SLUG_LENGTH: Final = 60
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class TaskKey:
    """A task instance, whatever its try.

    :param dag_id: the DAG's id.
    :param run_id: the DAG run's id.
    :param task_id: the task's id.
    :param map_index: which of a mapped task's instances; -1 where it isn't mapped.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @classmethod
    def read(cls, data: object) -> Self:
        """Return the scope in a JSON value.

        :raises ValueError: for anything that isn't one.
        """
        if not isinstance(data, Mapping) or set(data) != set(cls.__slots__):
            raise ValueError("it doesn't say which task it belongs to")
        scope = cls(**data)
        if not isinstance(scope.map_index, int) or isinstance(scope.map_index, bool):
            raise ValueError(f"`map_index` is {scope.map_index!r}")  # noqa: TRY004 -- one error for bad data
        return scope

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    @property
    def task(self) -> str:
        """The task as people write it: ``submit``, or ``submit[3]`` where it is mapped."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    def order(self, fingerprint: str, take: int) -> str:
        """Return the id of an order of this task instance: 32 hex digits, the same in every try.

        Anything may stand in the ids of DAG, run and task: what goes in is their JSON, which tells any two
        apart.
        """
        names = [self.dag_id, self.run_id, self.task_id, self.map_index, fingerprint, take]
        return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]

    def owner(self, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim."""
        place = f"{self.dag_id} / {self.run_id} / {self.task}"
        return f"order {self.order(fingerprint, take)}: {place}, take {take}"

    def folder(self) -> str:
        """Return where the task's orders are kept: readable, safe in every store, *not* unique.

        What makes an order's folder unique is the order's id, which is its last part.
        """
        task = slug(self.task_id) if self.map_index < 0 else f"{slug(self.task_id)}.{self.map_index}"
        return f"{slug(self.dag_id)}/{slug(self.run_id)}/{task}"


def slug(text: str) -> str:
    """Return a readable name that is safe as one part of any store's path. Different texts may share it."""
    return _ODD.sub("_", text)[:_SLUG_LENGTH] or "_"
