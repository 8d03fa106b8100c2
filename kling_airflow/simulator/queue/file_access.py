"""One access to the object store, as it is asked for and as faults change it."""

from __future__ import annotations

from dataclasses import dataclass

from kling_airflow.simulator.queue.refusal import Refusal, storage_refusal


@dataclass(slots=True)
class FileAccess:
    """One access to a file.

    :param age_seconds: how long ago the clip was finished; infinite for what is no clip.
    :param range_header: the Range header that is answered; None is the whole file.
    :param redirect_status: the status code of a redirect to where the file is now; None is no redirect.
    """

    age_seconds: float = float("inf")
    range_header: str | None = None
    redirect_status: int | None = None


def no_such_key() -> Refusal:
    """Return the refusal of a file that is not there."""
    return storage_refusal(404, "NoSuchKey", "The specified key does not exist.")
