"""Who may see what. Airflow authenticates no plugin's app (3.1 to 3.4), so every route here asks.

The rule is Airflow's own: a clip belongs to the DAG that landed it, and whoever may read the DAG may see it.
A clip that no DAG has landed is shown to no user.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException

demand_user: Final = get_user
"""Airflow's own dependency: the user of its cookie or of a bearer token; 401 or 403 if there is none."""
User = Annotated[Any, Depends(demand_user)]


def readable_dags(user: Any) -> AbstractSet[str]:
    """Return the ids of the DAGs that a user may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def demand_dag(user: Any, dag_id: str, entity: DagAccessEntity | None = None) -> None:
    """Refuse a user who may not read a DAG.

    :param entity: what of the DAG; None for the DAG itself.
    :raises HTTPException: 403.
    """
    if not may_read(user, dag_id, entity):
        raise HTTPException(403, "You may not read the DAG of this clip.")


def may_read(user: Any, dag_id: str, entity: DagAccessEntity | None = None) -> bool:
    """Return whether a user may read a DAG, or a part of it."""
    if not dag_id:
        return False
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return bool(
        get_auth_manager().is_authorized_dag(method="GET", access_entity=entity, details=details, user=user)
    )
