"""What the page of a request shows, for one user: landings, the queue's state, the ledger's steps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

from kling_airflow.errors import KlingError
from kling_airflow.gallery.access import demand_dag, may_read
from kling_airflow.gallery.details import Details, details_of
from kling_airflow.gallery.entry import GalleryEntry, is_request_id
from kling_airflow.gallery.index import Index
from kling_airflow.gallery.ledger import find_order
from kling_airflow.gallery.queue_state import QueueState, states
from kling_airflow.gallery.submitted import submitted
from kling_airflow.gallery.timeline import Ordered, Step, in_order, steps_of_landing, steps_of_queue
from kling_airflow.handed_on import HandedOn

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """A request as a user may see it.

    :param landings: the clips that it has become, the newest first.
    :param ordered: what the ledger says; None if it says nothing, or nothing that the user may see.
    :param handed_on: what the task that submitted it has left in an XCom.
    :param problem: why the ledger can't be read; "" if it can.
    :param queue: where the request stands in the queue; None if it has landed.
    :param dag_id: of the landing's run, or of the one that the address names.
    """

    request_id: str
    dag_id: str
    run_id: str
    landings: Sequence[tuple[GalleryEntry, Details]] = ()
    ordered: Ordered | None = None
    handed_on: HandedOn | None = None
    problem: str = ""
    queue: QueueState | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything is known of the request; a ledger that can't be read leaves that open."""
        return bool(self.landings or self.ordered or self.handed_on or self.problem)

    @property
    def is_waiting(self) -> bool:
        """Whether the page is worth another look soon: the request has not landed."""
        return self.queue is not None

    @property
    def steps(self) -> list[tuple[Step, str]]:
        """The timeline, of all sources."""
        steps = [step for _, details in self.landings for step in steps_of_landing(details.sidecar)]
        ordered = self.ordered.steps if self.ordered else ()
        return in_order([*steps, *ordered, *steps_of_queue(self.queue)])


def request_view(user: Any, index: Index | None, request_id: str, dag_id: str, run_id: str) -> RequestView:
    """Return what a user may see of a request.

    :param dag_id: of the run that the request is looked for in, if it has not landed.
    :raises HTTPException: 403 if the user may not read the DAG.
    """
    landings = index.of_request(request_id) if index else []
    seen = [entry for entry in landings if may_read(user, entry.dag_id)]
    if seen:
        dag_id, run_id = seen[0].dag_id, seen[0].run_id
    elif landings:
        demand_dag(user, landings[0].dag_id)
    elif dag_id:
        demand_dag(user, dag_id, DagAccessEntity.TASK_INSTANCE)
    ordered, handed_on, problem = _known_by_run(user, dag_id, run_id, request_id)
    # The queue is asked for what this run has submitted, never for an id that only the address names.
    waits = not landings and (ordered is not None or handed_on is not None)
    return RequestView(
        request_id=request_id,
        dag_id=dag_id,
        run_id=run_id,
        landings=[(entry, details_of(index.folder, entry)) for entry in seen] if index else [],
        ordered=ordered,
        handed_on=handed_on,
        problem=problem,
        queue=states.of(_connection(handed_on), request_id) if waits else None,
    )


def _known_by_run(
    user: Any, dag_id: str, run_id: str, request_id: str
) -> tuple[Ordered | None, HandedOn | None, str]:
    """Return what ledger and XComs of a run say to users who may see its task instances; what went wrong."""
    if not is_request_id(request_id) or not may_read(user, dag_id, DagAccessEntity.TASK_INSTANCE):
        return None, None, ""
    handed_on = next(iter(submitted(dag_id, run_id, request_id=request_id)), None)
    try:
        return find_order(dag_id, run_id, request_id), handed_on, ""
    except KlingError as error:
        log.warning("The ledger can't be read for the gallery: %s", error.what)
        return None, handed_on, error.what


def _connection(handed_on: HandedOn | None) -> str:
    """Return the connection that has submitted a request, or the default one."""
    from kling_airflow.hooks.gmi import GMICloudHook

    return (handed_on.gmi_conn_id if handed_on else None) or GMICloudHook.default_conn_name
