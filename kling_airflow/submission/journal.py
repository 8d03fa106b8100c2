"""The numbered files of a ledger's folder: what each holds, and how the next one is written.

Below the root stands one folder for each deployment, and in it::

    exclusive-create                              what the store's exclusive create was tried on
    orders/<dag>/<run>/<task>/<order>/000001.json one step of one order; the last says what is known
    claims/<request id>                           which order a request belongs to
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from kling_airflow.errors import InvalidArgument, UnreadableRecord
from kling_airflow.submission.exclusive_store import Store
from kling_airflow.submission.record import SubmissionRecord
from kling_airflow.submission.task_key import TaskKey

VERSION: Final = 1
"""Of a step's format, around the record in it."""
_NUMBERED: Final = re.compile(r"(\d{6,})\.json")
_DEPLOYMENT: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One numbered file: a record, when it was written, and by whom.

    :param scope: the task instance of the order.
    :param record: what was known then.
    :param number: 1 for the first.
    :param writer: a random text of one writer: a try, or a person's command.
    :param by: the same for people: "try 2".
    :param at: when it was written, in Unix seconds.
    """

    scope: TaskKey
    record: SubmissionRecord
    number: int
    writer: str
    by: str
    at: float

    @property
    def order(self) -> str:
        """The order's id."""
        return self.scope.order(self.record.fingerprint, self.record.take)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "version": VERSION,
            "order": self.order,
            "number": self.number,
            **self.scope.to_json(),
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
        """Return the step in a file.

        :param order: the order's id, by the file's folder.
        :param number: by the file's name.
        :raises UnreadableRecord: if it isn't just this step of this order, or is of a later version.
        """
        try:
            said = json.loads(data)
            if not isinstance(said, dict) or said.get("version") != VERSION:
                version = said.get("version") if isinstance(said, dict) else type(said).__name__
                raise UnreadableRecord(
                    f"it has the version {version!r}, and this release reads version {VERSION}"
                )
            step = cls(
                TaskKey.read({name: said[name] for name in TaskKey.__slots__}),
                SubmissionRecord.read(said["record"]),
                said["number"],
                str(said["writer"]),
                str(said["by"]),
                float(said["at"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {error}" if data else "it is empty"
            raise UnreadableRecord(what) from error
        if (step.order, step.number) != (order, number):
            raise UnreadableRecord(f"it is step {step.number} of the order {step.order}")
        return step


class Journal:
    """The steps of one deployment's orders.

    :param store: of the ledger's root.
    :param deployment: names the deployment, so that dev and prod never meet: lower case letters, digits,
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

    def task_folder(self, scope: TaskKey) -> str:
        """Return the key of the folder of a task's orders, which another task's may share."""
        return f"{self.deployment}/orders/{scope.folder()}"

    def folder(self, scope: TaskKey, order: str) -> str:
        """Return the key of an order's folder."""
        return f"{self.task_folder(scope)}/{order}"

    def last(self, folder: str) -> int:
        """Return the number of an order's last step, 0 where there is none."""
        return max(numbers(self.store.names(folder)), default=0)

    def read(self, folder: str, number: int) -> JournalEntry:
        """Return one step.

        :param folder: as :meth:`folder` returns it.
        :raises UnreadableRecord: naming the file.
        """
        key = step_key(folder, number)
        data = self.store.read(key)
        try:
            if data is None:
                raise UnreadableRecord("it was listed, and is gone")
            return JournalEntry.read(data, folder.rpartition("/")[2], number)
        except UnreadableRecord as error:
            raise UnreadableRecord(f"{self.store.uri}/{key} is unreadable: {error.what}") from error

    def append(self, folder: str, step: JournalEntry) -> bool:
        """Write a step if there is none of its number; return whether it is ours that stands there."""
        return self.store.create(step_key(folder, step.number), step.to_bytes())

    def claim(self, request_id: str, owner: str) -> bool:
        """Make a request an order's own; return whether it is, now or already."""
        return self.store.create(self._claim_key(request_id), owner.encode())

    def claimed_by(self, request_id: str) -> str | None:
        """Return the owner of a request, None where nobody claimed it."""
        data = self.store.read(self._claim_key(request_id))
        return None if data is None else data.decode(errors="replace")

    def _claim_key(self, request_id: str) -> str:
        name = request_id
        if not _PLAIN_ID.fullmatch(name):
            name = f"~{hashlib.sha256(request_id.encode(errors='surrogatepass')).hexdigest()}"
        return f"{self.deployment}/claims/{name}"


def step_key(folder: str, number: int) -> str:
    """Return the key of a step's file."""
    return f"{folder}/{number:06d}.json"


def numbers(names: list[str]) -> list[int]:
    """Return the numbers of the steps among some file names."""
    return [int(match[1]) for name in names if (match := _NUMBERED.fullmatch(name))]
