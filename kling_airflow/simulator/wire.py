"""What happens to a call between the socket and the application: counting, limits, and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.simulator.calls import name_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from kling_airflow.simulator.service import Service


class Wire:
    """The outermost ASGI application.

    :param app: what answers.
    :param service: whose calls these are.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] == "http":
            name = name_of(scope["method"], scope["path"])
            if name is not None:
                self._service.calls[name] += 1
        await self._app(scope, receive, send)
