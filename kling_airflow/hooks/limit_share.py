"""How the triggerers that wait with one key find each other: records in the ledger's folder.

Below the ledger's root, beside the folders of the deployments::

    _triggerers/<digest of base URL, organization and key>/<name of a triggerer>

Each file is a triggerer's own, and is written anew while the triggerer waits. Nothing else in a ledger is
ever written twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from kling_airflow.polling.share import Announce

FOLDER: Final = "_triggerers"
"""No deployment has this name: a deployment's name begins with a letter or a digit."""
MAX_TRIGGERERS: Final = 1000
_TIMES: Final = ("LastModified", "mtime", "last_modified", "updated")
"""What fsspec's file systems call the time of a file's last change: s3fs, gcsfs and local files, adlfs."""
_names: WeakKeyDictionary[asyncio.AbstractEventLoop, str] = WeakKeyDictionary()


class TriggererRecords:
    """The records of all triggerers that wait with one key.

    :param root: the ledger's folder, as fsspec's path.
    :param identity: base URL, organization and a digest of the key.
    :param name: this triggerer's name in the folder.
    """

    def __init__(self, root: Any, identity: Sequence[str | None], name: str) -> None:
        digest = hashlib.sha256("\n".join(part or "" for part in identity).encode()).hexdigest()[:32]
        self.fs = root.fs
        self.parent = f"{str(root.path).rstrip('/')}/{FOLDER}"
        self.folder = f"{self.parent}/{digest}"
        self.name = name
        self._local = str(root.protocol) in {"file", "local"}

    def announce(self) -> Mapping[str, float]:
        """Write this triggerer's record, and return when each record was written, by the store's clock.

        That is one PUT and one list call. A thread calls this, not the event loop.

        :raises OSError: if the store gives no answer, or none that can be used; also what fsspec raises.
        """
        if self._local:
            for folder in (self.parent, self.folder):  # the ledger's folder itself is never made: it may be a
                with suppress(FileExistsError):  # mount that is missing
                    Path(folder).mkdir()
        self.fs.pipe_file(f"{self.folder}/{self.name}", secrets.token_hex(8).encode())
        self.fs.invalidate_cache(self.folder)
        found = {
            str(entry["name"]).rpartition("/")[2]: _time(entry)
            for entry in self.fs.ls(self.folder, detail=True)
            if entry.get("type") == "file"
        }
        if self.name not in found:
            raise OSError("The list of the triggerers' records lacks the one just written.")
        return found


def announcer(identity: Sequence[str | None]) -> Announce | None:
    """Return what announces this triggerer in the ledger's folder; None if ``[kling] ledger`` isn't set.

    :param identity: base URL, organization and a digest of the key.
    """
    from kling_airflow.hooks.ledger import configured_ledger

    uri = configured_ledger()
    if uri is None:
        return None
    name = _names.setdefault(asyncio.get_running_loop(), secrets.token_hex(8))
    records: TriggererRecords | None = None

    async def announce() -> tuple[str, Mapping[str, float]]:
        nonlocal records
        if records is None:
            records = await _open(uri, identity, name)
        return name, await asyncio.to_thread(records.announce)

    return announce


def configured_triggerers() -> int:
    """Return ``[kling] triggerers``: how many share a limit where there is no folder to count them in.

    :raises InvalidArgument: if it is no number from 1 to 1000.
    """
    from kling_airflow.airflow_compat import conf

    value = conf.get("kling", "triggerers", fallback="1")
    try:
        triggerers = int(value)
    except (TypeError, ValueError):
        triggerers = 0
    if not 1 <= triggerers <= MAX_TRIGGERERS:
        raise InvalidArgument(
            f"`[kling] triggerers` is {value!r}; it must be a whole number from 1 to {MAX_TRIGGERERS}.",
            todo="Set it to the number of triggerers that run.",
        )
    return triggerers


async def _open(uri: str, identity: Sequence[str | None], name: str) -> TriggererRecords:
    """Open the folder. The store's connection is read in the thread that Airflow's own calls use."""
    from asgiref.sync import sync_to_async

    from kling_airflow.hooks.ledger import open_ledger_path

    root = await sync_to_async(open_ledger_path)(uri)
    return TriggererRecords(root, identity, name)


def _time(entry: Mapping[str, Any]) -> float:
    for field in _TIMES:
        value = entry.get(field)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    raise OSError("The store doesn't say when a file was last written.")
