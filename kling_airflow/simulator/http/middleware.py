"""What happens to a call between the socket and the application: counting, and faults."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from kling_airflow.simulator.faults.answers import INSTEAD
from kling_airflow.simulator.faults.filters import FILTERS, Line
from kling_airflow.simulator.faults.kinds import Stage
from kling_airflow.simulator.faults.schedule import STRUCK, Target
from kling_airflow.simulator.http.request_body import Body
from kling_airflow.simulator.http.responses import refusal_response
from kling_airflow.simulator.queue.calls import LIST, MEDIA, SUBMIT, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kling_airflow.simulator.faults.schedule import Fault
    from kling_airflow.simulator.service import Service

EARLY = frozenset({Stage.UNREAD})
LATER = frozenset(Stage) - EARLY - {Stage.LISTENER}
NO_ANSWER = 0
"""The status under which a call that got no answer is counted."""


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
        if scope["type"] != "http":
            return
        name = name_of(scope["method"], scope["path"])
        if name is None:
            await self._app(scope, receive, send)
            return
        service = self._service
        service.calls[name] += 1

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                service.answers[name, message["status"]] += 1
                # The simulated clock's word, not the machine's: clients compare theirs with it.
                date = formatdate(service.clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", []), (b"date", date)]}
            await send(message)

        if service.script.faults:
            await self._serve_faulty(name, scope, receive, counted, Line(send))
        else:
            await self._app(scope, receive, counted)

    async def _serve_faulty(self, name: str, scope: Scope, receive: Receive, send: Send, line: Line) -> None:
        script = self._service.script
        body = Body(receive)
        struck = script.draw(self._target(name, scope, body), EARLY)
        if not struck:
            if name == SUBMIT:
                await body.read(self._service.settings.max_body_bytes)
            struck = script.draw(self._target(name, scope, body), LATER)
        if not await _let_in({fault.kind.name: fault for fault in struck}, line):
            self._service.answers[name, NO_ANSWER] += 1
        else:
            await self._answer(struck, scope, body, send, line)
        if line.hung_up:
            await body.until_gone()

    async def _answer(self, struck: list[Fault], scope: Scope, body: Body, send: Send, line: Line) -> None:
        async def last(message: Message) -> None:
            if not line.hung_up:
                await send(message)

        way_out: Send = last
        for fault in struck:
            if fault.kind.name in FILTERS:
                way_out = FILTERS[fault.kind.name](way_out, fault, line)
        refusals = [INSTEAD[fault.kind.name](fault.options) for fault in struck if fault.kind.name in INSTEAD]
        if refusals:
            await body.read(self._service.settings.max_body_bytes)
            as_object = self._service.object_error()
            await refusal_response(refusals[0], as_object=as_object)(scope, body, way_out)
        else:
            await self._app({**scope, STRUCK: struck}, body, way_out)

    def _target(self, name: str, scope: Scope, body: Body) -> Target:
        service = self._service
        request_id = model = None
        text: Callable[[], str] = body.text
        if name == LIST:
            model = parse_qs(scope["query_string"].decode("latin-1")).get("model_id", [None])[0]
        elif name == SUBMIT:
            model = body.model()
        else:
            last = scope["path"].rsplit("/", 1)[-1]
            request = service.store.get(last.rpartition(".")[0] if name == MEDIA else last)
            if request is not None:
                request_id, model, text = request.request_id, request.model.id, request.payload_text
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        organization = headers.get(b"x-organization-id")
        account = service.accounts.find(headers.get(b"authorization", ""), organization)
        if account is None:
            return Target(name, request_id, model=model, text=text)
        return Target(name, request_id, account.name, account.organization, model, text)


async def _let_in(struck: dict[str, Fault], line: Line) -> bool:
    """Apply what happens before a call is handled; return whether it is."""
    if "late-not-created" in struck:
        await asyncio.sleep(float(struck["late-not-created"].options["seconds"]))
        line.close()
    elif "reset-unread" in struck or "reset-before" in struck:
        line.reset()
    elif "late-arrival" in struck:
        await asyncio.sleep(float(struck["late-arrival"].options["seconds"]))
    return not line.hung_up
