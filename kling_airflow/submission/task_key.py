"""The identity of a task instance, and the names that follow from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

_SLUG_LENGTH: Final = 60
_LOOP_SLUG_LENGTH: Final = 9
_SHOT_SLUG_LENGTH: Final = 40
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_REQUIRED: Final = frozenset({"dag_id", "run_id", "task_id", "map_index"})
_OPTIONAL: Final = frozenset({"loop", "shot"})


@dataclass(frozen=True, slots=True)
class TaskKey:
    """Identifies a task instance, or one shot of it; every try of the task instance has the same key.

    :param dag_id: the DAG's id.
    :param run_id: the DAG run's id.
    :param task_id: the task's id.
    :param map_index: the index of a mapped task instance; -1 for a task that is not mapped.
    :param loop: region and iteration of a loop (Airflow 3.4 and later); None outside loops.
    :param shot: name and take of a shot, ``launch.1``, in a task that buys many shots; each of them has
        orders, records and searches of its own, as if it were a task instance. None in any other task.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    loop: str | None = None
    shot: str | None = None

    @classmethod
    def read(cls, data: object) -> Self:
        """Return the task key in a JSON value.

        :raises ValueError: if the value is not a task key.
        """
        if not isinstance(data, Mapping) or not _REQUIRED <= set(data) <= _REQUIRED | _OPTIONAL:
            raise ValueError("it doesn't say which task it belongs to")
        key = cls(**data)
        if not isinstance(key.map_index, int) or isinstance(key.map_index, bool):
            raise ValueError(f"`map_index` is {key.map_index!r}")  # noqa: TRY004 -- one error for bad data
        return key

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; `loop` and `shot` only if there is one."""
        values = asdict(self).items()
        return {name: value for name, value in values if name not in _OPTIONAL or value is not None}

    @property
    def task(self) -> str:
        """The task as people write it: ``submit``, ``submit[3]`` if mapped, with its loop and its shot."""
        task = self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"
        task = task if self.loop is None else f"{task} (loop {self.loop})"
        return task if self.shot is None else f"{task} shot {self.shot}"

    def order(self, fingerprint: str, take: int) -> str:
        """Return the id of an order of this task instance: 32 hex digits, the same in every try.

        The ids of DAG, run and task may contain any character, so their JSON is hashed: the JSON of two
        different keys is never the same.
        """
        names: list[Any] = [self.dag_id, self.run_id, self.task_id, self.map_index, fingerprint, take]
        if self.loop is not None:
            names.append(self.loop)
        if self.shot is not None:
            names.append({"shot": self.shot})  # no loop has a dict at this place
        return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]

    def owner(self, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim."""
        place = f"{self.dag_id} / {self.run_id} / {self.task}"
        return f"order {self.order(fingerprint, take)}: {place}, take {take}"

    def sibling(self, map_index: int) -> TaskKey:
        """Return the key of another mapped instance of the same task and run."""
        return replace(self, map_index=map_index)

    def folder(self) -> str:
        """Return the folder of the task's orders: readable and safe in every store, *not* unique.

        The order's id, which is the last part of an order's folder, makes that folder unique.
        """
        return f"{slug(self.dag_id)}/{slug(self.run_id)}/{self._task_folder()}"

    def _task_folder(self) -> str:
        task = slug(self.task_id) if self.map_index < 0 else f"{slug(self.task_id)}.{self.map_index}"
        task = task if self.loop is None else f"{task}.loop-{slug(self.loop)[-_LOOP_SLUG_LENGTH:]}"
        return task if self.shot is None else f"{task}.shot-{slug(self.shot)[:_SHOT_SLUG_LENGTH]}"


def slug(text: str) -> str:
    """Return a readable name that is safe as one part of any store's path. Different texts may share it."""
    return _UNSAFE.sub("_", text)[:_SLUG_LENGTH] or "_"
