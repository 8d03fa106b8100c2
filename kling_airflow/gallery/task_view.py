"""The requests of one task instance on a page that loads nothing: for a tab of Airflow's page of the task.

Airflow 3.4 shows such a view in a frame that may run no script, and whose further requests the browser sends
without the login. So style and pictures are in the page itself.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from markupsafe import Markup

from kling_airflow.gallery.access import demand_dag, may_read
from kling_airflow.gallery.entry import GalleryEntry
from kling_airflow.gallery.folder import Folder
from kling_airflow.gallery.index import Index
from kling_airflow.gallery.pages import HEADERS
from kling_airflow.gallery.request_view import RequestView, request_view
from kling_airflow.gallery.submitted import submitted

MOST: Final = 12
"""Requests that are shown. A storyboard has more, and the gallery has them all."""
_MAX_POSTER: Final = 400_000


@dataclass(frozen=True, slots=True)
class TaskView:
    """The requests of a task instance.

    :param requests: the first of them, each with the address of its poster, "" for none.
    :param more: how many more there are.
    """

    requests: Sequence[tuple[RequestView, str]]
    more: int


def task_view(
    user: Any, index: Index | None, dag_id: str, run_id: str, task_id: str, map_index: str
) -> TaskView:
    """Return the requests that a task instance has submitted, waits for, or has landed.

    :param map_index: as Airflow's page puts it into the address: no number if the task is not mapped.
    :raises HTTPException: 403 if the user may not read the DAG's task instances.
    """
    demand_dag(user, dag_id, DagAccessEntity.TASK_INSTANCE)
    number = int(map_index) if map_index.isascii() and map_index.isdigit() and len(map_index) < 8 else -1
    handed = submitted(dag_id, run_id, task_id=task_id, map_index=number)
    ids = [each.request_id for each in handed]
    if index is not None and may_read(user, dag_id):
        task = (dag_id, run_id, task_id, number)
        ids += [
            entry.request_id
            for entry in index.entries()
            if (entry.dag_id, entry.run_id, entry.task_id, entry.map_index) == task
        ]
    ids = list(dict.fromkeys(ids))
    views = []
    for request_id in ids[:MOST]:
        # A clip of this request may be another DAG's, which the user may not read.
        theirs = index.of_request(request_id) if index else []
        if theirs and not any(may_read(user, entry.dag_id) for entry in theirs):
            continue
        view = request_view(user, index, request_id, dag_id, run_id)
        views.append((view, _poster(index.folder, view.landings[0][0]) if index and view.landings else ""))
    return TaskView(views, max(0, len(ids) - MOST))


@cache
def inline_style() -> tuple[Markup, dict[str, str]]:
    """Return the style sheet, and the headers of a page that has it within and loads nothing."""
    text = (Path(__file__).parent / "static" / "gallery.css").read_text()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; form-action 'none';"
        " base-uri 'none'; frame-ancestors 'self'"
    )
    return Markup(text), {**HEADERS, "Content-Security-Policy": policy}  # noqa: S704 -- our own file


def _poster(folder: Folder, entry: GalleryEntry) -> str:
    if not entry.has_poster:
        return ""
    path = entry.beside(".jpg")
    info = folder.info(path)
    if info is None or int(info["size"]) > _MAX_POSTER:
        return ""
    data = folder.read(path) or b""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" if data[:2] == b"\xff\xd8" else ""
