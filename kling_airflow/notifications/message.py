"""What a notification says of a task: read of its result and its links, or of the error that ended it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kling_airflow.errors import KlingError
from kling_airflow.links import ClipLink, GalleryLink, ReportLink, RequestLink

_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")
_FAILURES: Final = ("failed", "up_for_retry")
_UNKNOWN: Final = (
    "Airflow gave this notification no error. The task's log has it, and says whether a clip may have been"
    " paid for and what to do."
)
_LINKS: Final = (ClipLink, ReportLink, RequestLink, GalleryLink)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message, without any channel's format.

    :param title: what happened, in one line.
    :param lines: sentences below it: of an error the money, and what to do.
    :param facts: pairs of a name and a value: cost, length, place.
    :param links: pairs of a name and an address for a browser.
    :param picture: the address of a poster, a contact sheet or a thumbnail; None if there is none.
    """

    title: str
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    picture: str | None = None

    def text(self) -> str:
        """Return the message as plain text, links and picture aside."""
        facts = [f"{name}: {value}" for name, value in self.facts]
        return "\n".join([self.title, *self.lines, *facts])


def message_of(context: Mapping[str, Any]) -> Message:
    """Return the message about the task whose callback is running.

    :param context: what Airflow gives a callback. With an ``exception``, or if the task instance's state is
        that of a failure (Airflow 3.1's ``dag.test()`` names no exception), the message is about a failure.
    """
    error, result = context.get("exception"), _pull(context, "return_value")
    if error is not None or _state(context) in _FAILURES:
        return _failed(context, error)
    if isinstance(result, Mapping):
        return _succeeded(context, result)
    picture = result if isinstance(result, str) and result.lower().endswith(_PICTURES) else None
    return Message(
        title=f"{_task(context)} succeeded",
        facts=_facts(context, {}),
        links=_links(context),
        picture=picture,
    )


def _succeeded(context: Mapping[str, Any], result: Mapping[str, Any]) -> Message:
    return Message(
        title=_title(context, result),
        lines=_failed_shots(result),
        facts=_facts(context, result),
        links=_links(context),
        picture=_picture(result),
    )


def _failed(context: Mapping[str, Any], error: object) -> Message:
    """Return the message of a failure; a storyboard's report says what has landed all the same."""
    what = [_UNKNOWN if error is None else str(error) or type(error).__name__]
    if isinstance(error, KlingError):
        what = [part for part in (error.what, error.money.value, error.todo) if part]
    report = _pull(context, "report")
    report = report if isinstance(report, Mapping) else {}
    return Message(
        title=f"{_task(context)} failed",
        lines=tuple(what),
        facts=_facts(context, report),
        links=_links(context),
        picture=_picture(report),
    )


def _state(context: Mapping[str, Any]) -> str:
    """Return the task instance's state; Airflow's own is a text that is also a member of an enumeration."""
    state = getattr(context.get("ti"), "state", None)
    return str(getattr(state, "value", state))


def _title(context: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    if "report_uri" in result:
        return f"{result['landed']} of {result['clips']} clips of the storyboard landed"
    if "sheet_uri" in result:
        return f"{len(result['good'])} of {len(result['takes'])} takes look right"
    if "timeline_uri" in result:
        return f"A film of {result['clips']} clips was made"
    if "sidecar_uri" in result:
        return "A clip landed"
    if result.get("video_url"):
        name = f" `{result['label']}`" if result.get("label") else ""
        return f"The clip{name} is there"
    return f"{_task(context)} succeeded"


def _failed_shots(result: Mapping[str, Any]) -> tuple[str, ...]:
    shots = result.get("shots")
    return tuple(
        f"{row['name']}: {row['error']}"
        for row in (shots if isinstance(shots, list) else [])
        if isinstance(row, Mapping) and row.get("error")
    )


def _facts(context: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    seconds = result.get("duration_seconds") or result.get("duration")
    cost = result.get("cost_usd")
    known = {
        "Cost": None if cost is None else f"${cost:.2f}",
        "Length": None if not seconds else f"{seconds:g} s",
        "Place": result.get("uri") or result.get("report_uri"),
        "Request": result.get("request_id"),
        "Run": getattr(context.get("ti"), "run_id", None),
    }
    return tuple((name, str(value)) for name, value in known.items() if value)


def _picture(result: Mapping[str, Any]) -> str | None:
    shots = result.get("shots")
    of_shots = [row.get("poster_uri") for row in shots if row.get("poster_uri")] if shots else []
    for found in (result.get("sheet_uri"), result.get("poster_uri"), *of_shots, result.get("thumbnail_url")):
        if isinstance(found, str) and found:
            return found
    return None


def _links(context: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the task's links, and that to its log; a path is no address for a message."""
    pairs = [(str(link.name), _pull(context, link.xcom_key)) for link in _LINKS]
    pairs.append(("Log", getattr(context.get("ti"), "log_url", None)))
    return tuple(
        (name, address)
        for name, address in pairs
        if isinstance(address, str) and address.startswith(("http://", "https://"))
    )


def _task(context: Mapping[str, Any]) -> str:
    ti: Any = context.get("ti")
    index = getattr(ti, "map_index", -1)
    mapped = f"[{index}]" if index is not None and index >= 0 else ""
    return f"{ti.dag_id}.{ti.task_id}{mapped}"


def _pull(context: Mapping[str, Any], key: str) -> Any:
    ti: Any = context.get("ti")
    return ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)
