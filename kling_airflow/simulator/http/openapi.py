"""`/openapi.json`: FastAPI's document, corrected where the service answers otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from kling_airflow.simulator.queue.calls import QUEUE

if TYPE_CHECKING:
    from fastapi import FastAPI

ABOUT = "GMI Cloud's request queue as the kling_airflow simulator serves it. Errors have one of two shapes."


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document: bearer keys, and no 422, which this service never answers."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
        schemes = {"key": {"type": "http", "scheme": "bearer"}}
        made.setdefault("components", {}).update(securitySchemes=schemes)
        made["components"].pop("schemas", None)
        for path, operations in made["paths"].items():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                if path.startswith(QUEUE):
                    operation["security"] = [{"key": []}]
        app.openapi_schema = made
    return app.openapi_schema
