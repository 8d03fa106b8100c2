"""Airflow's own API server app with the gallery in it, and users with rights of their own."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from tests.airflow_versions import needs_airflow_here

needs_airflow_here("3.1", "apps of plugins behind a login")

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager  # noqa: E402
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402

DAGS = {"rockets", "boats", "trains"}
READS = {"alice": {"rockets"}, "bob": {"boats"}, "carol": DAGS, "dave": set[str]()}
"""Which DAGs each user may read. Dave may log in, and no more."""
SECRET = "a secret for tests of the gallery, long enough for HS512, and then some"
USERS = ",".join(f"{name}:viewer" for name in READS)


class PerDagAuthManager(SimpleAuthManager):
    """Airflow's simple auth manager, which has no rights of single DAGs, with such rights."""

    def is_authorized_dag(
        self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None
    ) -> bool:
        if not super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        ):
            return False
        if getattr(access_entity, "name", None) == "TASK_INSTANCE" and user.username == "carol":
            return False  # Carol may read the DAGs, and not their task instances
        return details is not None and details.id in READS.get(user.username, set())


@contextmanager
def api_server() -> Iterator[TestClient]:
    """The app, as ``airflow api-server`` makes it; TestClient speaks HTTP to it."""
    from airflow.api_fastapi import app as airflow_app

    settings = {
        "AIRFLOW__CORE__AUTH_MANAGER": f"{__name__}.PerDagAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": USERS,
        "AIRFLOW__API_AUTH__JWT_SECRET": SECRET,
        "AIRFLOW__API__SECRET_KEY": "another secret for tests",
        "_AIRFLOW_PROCESS_CONTEXT": "server",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        airflow_app.purge_cached_app()
        made = airflow_app.create_app(apps="core")
        with TestClient(made, base_url="http://airflow.test", follow_redirects=False) as client:
            yield client
        airflow_app.purge_cached_app()


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """The app behind a real server; yields its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def make_dags() -> None:
    """Write the rows of the DAGs, as the DAG processor does."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        if session.get(DagBundleModel, "for-the-gallery") is None:
            session.add(DagBundleModel(name="for-the-gallery"))
            session.flush()
        for dag_id in DAGS:
            if session.get(DagModel, dag_id) is None:
                session.add(DagModel(dag_id=dag_id, bundle_name="for-the-gallery", fileloc="/x.py"))


def token(user: str, role: str = "viewer") -> str:
    """A token as the login page gives it."""
    from airflow.api_fastapi.app import get_auth_manager

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=user, role=role))


def as_user(user: str) -> dict[str, str]:
    """The header of a logged-in browser."""
    return {"Cookie": f"_token={token(user)}"}


assert os.environ["AIRFLOW_HOME"]
