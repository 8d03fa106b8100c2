"""The journal of each order in a ledger's folder: numbered files, each written once.

Below the root stands one folder for each deployment, and in it::

    exclusive-create                              the file on which the store's exclusive create was tried
    orders/<dag>/<run>/<task>/<order>/000001.json one entry of one order's journal; the last entry counts
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from kling_airflow.errors import InvalidArgument, UnreadableRecord
from kling_airflow.submission.exclusive_store import Store
from kling_airflow.submission.record import SubmissionRecord
from kling_airflow.submission.task_key import TaskKey

VERSION: Final = 1
"""The version of an entry's format, without the record in it."""
_NUMBERED: Final = re.compile(r"(\d{6,})\.json")
_DEPLOYMENT: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One numbered file: a record, when it was written, and by which writer.

    :param task_key: the task instance of the order.
    :param record: what was known then.
    :param number: 1 for the first.
    :param writer: a random text that identifies one writer: a try, or a person's command.
    :param by: the writer's name for people: "try 2".
    :param at: when it was written, in Unix seconds.
    """

    task_key: TaskKey
    record: SubmissionRecord
    number: int
    writer: str
    by: str
    at: float

    @property
    def order(self) -> str:
        """The order's id."""
        return self.task_key.order(self.record.fingerprint, self.record.take)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "version": VERSION,
            "order": self.order,
            "number": self.number,
            **self.task_key.to_json(),
            "by": self.by,
            "at": self.at,
            "writer": self.writer,
            "record": self.record.to_json(),
        }

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return json.dumps(self.to_json(), indent=1).encode() + b"\n"

    @classmethod
    def read(cls, data: bytes, order: str, number: int) -> Self:
        """Return the entry in a file.

        :param order: the order's id, by the file's folder.
        :param number: the entry's number, by the file's name.
        :raises UnreadableRecord: if the file is not this entry of this order, or is of a later version.
        """
        try:
            content = json.loads(data)
            if not isinstance(content, dict) or content.get("version") != VERSION:
                version = content.get("version") if isinstance(content, dict) else type(content).__name__
                raise UnreadableRecord(
                    f"it has the version {version!r}, and this release reads version {VERSION}"
                )
            entry = cls(
                TaskKey.read({name: content[name] for name in TaskKey.__slots__ if name in content}),
                SubmissionRecord.read(content["record"]),
                content["number"],
                str(content["writer"]),
                str(content["by"]),
                float(content["at"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {error}" if data else "it is empty"
            raise UnreadableRecord(what) from error
        if (entry.order, entry.number) != (order, number):
            raise UnreadableRecord(f"it is entry {entry.number} of the order {entry.order}")
        return entry


class Journal:
    """The journals of one deployment's orders.

    :param store: the store of the ledger's root.
    :param deployment: the deployment's name, so that dev and prod never meet: lower case letters, digits,
        ``_``, ``.`` and ``-``, beginning with a letter or digit, up to 63.
    :raises InvalidArgument: for any other name.
    """

    def __init__(self, store: Store, deployment: str) -> None:
        if not _DEPLOYMENT.fullmatch(deployment):
            raise InvalidArgument(
                f"The ledger's `deployment` is {deployment!r}; it must be of lower case letters, digits, `_`,"
                " `.` and `-`, begin with a letter or digit, and have 63 characters at most."
            )
        self.store = store
        self.deployment = deployment

    def task_folder(self, task_key: TaskKey) -> str:
        """Return the store's key of the folder of a task's orders. Two tasks can share a folder."""
        return f"{self.deployment}/orders/{task_key.folder()}"

    def folder(self, task_key: TaskKey, order: str) -> str:
        """Return the store's key of an order's folder."""
        return f"{self.task_folder(task_key)}/{order}"

    def last(self, folder: str) -> int:
        """Return the number of an order's last entry; 0 if there is none."""
        return max(numbers(self.store.names(folder)), default=0)

    def read(self, folder: str, number: int) -> JournalEntry:
        """Return one entry.

        :param folder: as :meth:`folder` returns it.
        :raises UnreadableRecord: naming the file.
        """
        file = entry_file(folder, number)
        data = self.store.read(file)
        try:
            if data is None:
                raise UnreadableRecord("it was listed, and is gone")
            return JournalEntry.read(data, folder.rpartition("/")[2], number)
        except UnreadableRecord as error:
            raise UnreadableRecord(f"{self.store.uri}/{file} is unreadable: {error.what}") from error

    def append(self, folder: str, entry: JournalEntry) -> bool:
        """Write an entry if there is none of its number; return whether the file there is this entry."""
        return self.store.create(entry_file(folder, entry.number), entry.to_bytes())

    def owner(self, task_key: TaskKey, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim, which other deployments see too."""
        return f"{self.deployment}: {task_key.owner(fingerprint, take)}"


def entry_file(folder: str, number: int) -> str:
    """Return the store's key of an entry's file."""
    return f"{folder}/{number:06d}.json"


def numbers(names: list[str]) -> list[int]:
    """Return the numbers of the entries among some file names."""
    return [int(match[1]) for name in names if (match := _NUMBERED.fullmatch(name))]
