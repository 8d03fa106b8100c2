"""The report of a storyboard: of each take its state, cost and place; and the error of those that failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.errors import GenerationFailed, Money
from kling_airflow.task.shot_progress import BoardProgress, Phase, ShotProgress, money_of

if TYPE_CHECKING:
    from kling_airflow.storyboard.shot import Shot

REPORT_FILE: Final = "report.json"
VERSION: Final = 1
MAX_REPORT_BYTES: Final = 10_000_000
"""Bytes of a report that is read, at most."""
_STATES: Final = {
    Phase.READY: "not_submitted",
    Phase.WAITING: "in_queue",
    Phase.FINISHED: "not_landed",
    Phase.LANDED: "landed",
    Phase.FAILED: "failed",
}
_WORST: Final = (
    Money.UNKNOWN,
    Money.HELD,
    Money.SPENT,
    Money.IN_LEDGER,
    Money.CANCELLED,
    Money.NOT_BILLED,
    Money.UNSPENT,
)
"""What an error of several shots says about the money: the first of these that one of them says."""
_NAMED: Final = 10


def make_report(
    title: str | None,
    shots: Mapping[str, Shot],
    progress: BoardProgress,
    *,
    report_uri: str,
    task: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the report as plain JSON.

    :param shots: the shots by name.
    :param report_uri: where the report is stored.
    :param task: the task whose report it is; None if that is not known.
    """
    takes = progress.takes.values()
    rows = [_row(each, shots.get(each.shot)) for each in takes if not each.removed]
    costs = [each.cost_usd for each in takes if each.cost_usd is not None]
    return {
        "version": VERSION,
        "title": title,
        "clips": len(rows),
        "landed": sum(row["state"] == "landed" for row in rows),
        "failed": sum(row["state"] == "failed" for row in rows),
        "cost_usd": round(sum(costs), 6),
        "report_uri": report_uri,
        "task": None if task is None else dict(task),
        "shots": rows,
        "removed": [_row(each, shots.get(each.shot)) for each in takes if each.removed],
    }


def report_bytes(report: Mapping[str, Any]) -> bytes:
    """Return the report's file."""
    return json.dumps(report, indent=2, ensure_ascii=False).encode() + b"\n"


def is_report(data: bytes) -> bool:
    """Return whether a file is a report of a storyboard."""
    try:
        content = json.loads(data)
    except ValueError:
        return False
    return isinstance(content, dict) and {"version", "clips", "shots", "report_uri"} <= content.keys()


def other_task_of(data: bytes, task: Mapping[str, Any] | None) -> str | None:
    """Return the task whose report a file is, if it is not this task; other runs of a task are the same task.

    :param data: a report.
    :param task: the task that asks; None if that is not known.
    """
    owner = json.loads(data).get("task")
    if task is None or not isinstance(owner, dict):
        return None
    if all(owner.get(name) == task.get(name) for name in ("dag_id", "task_id", "map_index")):
        return None
    index = owner.get("map_index", -1)
    return f"{owner.get('dag_id')}.{owner.get('task_id')}" + ("" if index == -1 else f"[{index}]")


def report_text(report: Mapping[str, Any]) -> str:
    """Return the report for the log: a line for each take, and the sum."""
    lines = [f"{row['name']}: {row['uri'] or _why(row)}" for row in report["shots"]]
    lines += [f"{row['name']} (removed): {row['uri'] or _why(row)}" for row in report["removed"]]
    total = f"{report['landed']} of {report['clips']} landed, for ${report['cost_usd']:.2f}."
    return "\n".join([*lines, total])


def landed_files(report: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return address and extras of each clip that has landed, for asset events."""
    names = ("request_id", "cost_usd", "duration_seconds", "sha256", "uri")
    return [
        (row["uri"], {name: row[name] for name in names} | {"label": row["name"]})
        for row in report["shots"]
        if row["uri"]
    ]


def failure(progress: BoardProgress, report: Mapping[str, Any]) -> GenerationFailed | None:
    """Return the error of a storyboard with failed shots; None if none has failed.

    Airflow retries it if a retry can help one of the shots.
    """
    failed = [
        (each, each.error)
        for each in progress.of_phase(Phase.FAILED)
        if each.error is not None and not each.removed
    ]
    if not failed:
        return None
    said = {money_of(error) for _, error in failed}
    named = "; ".join(f"{each.name}: {error['what']}" for each, error in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    left = [each.name for each in progress.of_phase(Phase.READY)]
    rest = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    not_bought = f" Not submitted: {', '.join(left[:_NAMED])}{rest}." if left else ""
    return GenerationFailed(
        f"{len(failed)} of {report['clips']} shots failed, {report['landed']} have landed. {named}{more}."
        f"{not_bought}",
        retryable=any(error["retryable"] for _, error in failed),
        money=next(money for money in _WORST if money in said),
        todo=f"{report['report_uri']} says what to do for each shot. Then clear this task: a shot that has"
        " its clip is not bought again.",
        request_id=next((error["request_id"] for _, error in failed if error["request_id"]), None),
    )


def _row(each: ShotProgress, shot: Shot | None) -> dict[str, Any]:
    landed, error = each.landed or {}, each.error or {}
    options = None if shot is None else shot.options
    return {
        "name": each.name,
        "shot": each.shot,
        "take": each.take,
        "state": _STATES[each.phase],
        "request_id": each.request_id or error.get("request_id"),
        "model": each.model,
        "duration": None if options is None else options.duration,
        "sound": None if options is None else options.sound,
        "continues": None if shot is None else shot.continues,
        "failed_requests": each.earlier,
        "cost_usd": each.cost_usd,
        **{name: landed.get(name) for name in _LANDED},
        "error": error.get("what"),
        "money": money_of(error).value if error else None,
        "todo": error.get("todo"),
    }


_LANDED: Final = (
    "uri",
    "sha256",
    "bytes",
    "duration_seconds",
    "width",
    "height",
    "poster_uri",
    "sidecar_uri",
    "last_frame_uri",
)


def _why(row: Mapping[str, Any]) -> str:
    return f"FAILED: {row['error']}" if row["error"] else str(row["state"]).replace("_", " ")
