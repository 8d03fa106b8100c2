"""Refuses foreign calls, counts the others and lets faults strike them, before the application."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from kling_airflow.simulator.faults.call import AnswerStream, Call, Connection
from kling_airflow.simulator.faults.registry import Stage
from kling_airflow.simulator.faults.schedule import STRUCK, Target
from kling_airflow.simulator.http.request_body import RequestBody
from kling_airflow.simulator.http.responses import refusal_response
from kling_airflow.simulator.http.security import refusal_of
from kling_airflow.simulator.queue.calls import LIST, MEDIA, MODEL, SUBMIT, name_of
from kling_airflow.simulator.queue.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kling_airflow.simulator.faults.call import Answer
    from kling_airflow.simulator.faults.schedule import Fault
    from kling_airflow.simulator.service import Service

EARLY = frozenset({Stage.UNREAD})
LATER = frozenset(Stage) - EARLY - {Stage.LISTENER}
NO_ANSWER = 0
"""The status under which a call that got no answer is counted."""


class CallMiddleware:
    """The outermost ASGI application.

    :param app: answers the calls.
    :param service: counts the calls and has the faults.
    :param hosts: the host names that calls may name.
    """

    def __init__(self, app: ASGIApp, service: Service, hosts: frozenset[str]) -> None:
        self._app = app
        self._service = service
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            return
        refusal = refusal_of(scope, self._hosts)
        if refusal is not None:
            await refusal_response(refusal, as_object=False)(scope, receive, send)
            return
        name = name_of(scope["method"], scope["path"])
        if name is None:
            await self._app(scope, receive, send)
            return
        service = self._service
        service.calls[name] += 1
        call = Call(Connection(send), service.clock)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                service.answers[name, message["status"]] += 1
                message = {**message, "headers": _with_date(message.get("headers", []), call)}
            await send(message)

        if service.faults.faults:
            await self._serve_faulty(name, scope, receive, counted, call)
        else:
            await self._app(scope, receive, counted)

    async def _serve_faulty(self, name: str, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        schedule, connection = self._service.faults, call.connection
        resets = self._service.resets
        body = RequestBody(receive)
        struck = schedule.draw(self._target(name, scope, body), EARLY)
        await _strike_early(struck, call)
        if not connection.hung_up:
            body.bytes_per_second = call.request_bytes_per_second
            if name == SUBMIT:
                await body.read(self._service.settings.max_body_bytes)
            struck = schedule.draw(self._target(name, scope, body), LATER)
            await _strike_early(struck, call)
        if self._service.resets != resets:
            connection.close()
            call.handled_unheard = False
        if connection.hung_up:
            self._service.answers[name, NO_ANSWER] += 1
        if not connection.hung_up or call.handled_unheard:
            await self._answer(struck, scope, body, send, call)
        if connection.hung_up:
            await body.until_gone()

    async def _answer(
        self, struck: list[Fault], scope: Scope, body: RequestBody, send: Send, call: Call
    ) -> None:
        async def last(message: Message) -> None:
            if not call.connection.hung_up:
                await send(message)

        way_out: Send = last
        for fault in struck:
            if fault.type.stage is Stage.AFTER:
                way_out = AfterHandling(way_out, call, fault, scope)
            elif fault.type.stage is Stage.BODY:
                way_out = fault.apply(way_out, call)
        instead = [fault for fault in struck if fault.type.stage is Stage.INSTEAD]
        if instead:
            await body.read(self._service.settings.max_body_bytes)
            answer = response_to(instead[0].apply(call), as_object=self._service.object_error())
            await answer(scope, body, way_out)
        else:
            await self._app({**scope, STRUCK: struck}, body, way_out)

    def _target(self, name: str, scope: Scope, body: RequestBody) -> Target:
        service = self._service
        request_id = model = None
        text: Callable[[], str] = body.text
        if name == LIST:
            model = parse_qs(scope["query_string"].decode("latin-1")).get("model_id", [None])[0]
        elif name == SUBMIT:
            model = body.model()
        elif name == MODEL:
            model = scope["path"].rsplit("/", 1)[-1]
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


class AfterHandling(AnswerStream):
    """Lets a fault see the status of an answer and replace the answer or end the connection.

    :param fault: of the stage `AFTER`.
    """

    def __init__(self, send: Send, call: Call, fault: Fault, scope: Scope) -> None:
        super().__init__(send, call)
        self._fault = fault
        self._scope = scope
        self._replaced = False

    async def start(self, message: Message) -> None:
        """Let the fault decide, then send its answer or the right one."""
        self.call.status = message["status"]
        answer: Answer | None = await self._fault.apply(self.call)
        if answer is not None:
            self._replaced = True
            await response_to(answer, as_object=False)(self._scope, _nothing, self.send)
        else:
            await self.send(message)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Drop the body of an answer that was replaced."""
        if not self._replaced:
            await super().body(data, more=more)


async def _strike_early(struck: list[Fault], call: Call) -> None:
    """Let the faults strike that come before the call is handled, until one of them ends the connection."""
    for fault in struck:
        if fault.type.stage in (Stage.UNREAD, Stage.BEFORE) and not call.connection.hung_up:
            await fault.apply(call)


def _with_date(headers: Iterable[tuple[bytes, bytes]], call: Call) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with the Date of the simulated clock, unless they have one."""
    if call.date_offset is None:
        return [(name, value) for name, value in headers if name != b"date"]
    if any(name == b"date" for name, _ in headers):
        return list(headers)
    date = formatdate(call.clock.now() + call.date_offset, usegmt=True).encode()
    return [*headers, (b"date", date)]


def response_to(answer: Answer, *, as_object: bool) -> ASGIApp:
    """Return the ASGI application that sends a fault's answer."""
    return refusal_response(answer, as_object=as_object) if isinstance(answer, Refusal) else answer


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
