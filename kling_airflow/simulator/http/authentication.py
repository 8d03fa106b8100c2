"""The account of a call, by its API key or its console token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from kling_airflow.simulator.http.console_tokens import token_account
from kling_airflow.simulator.queue.calls import CONSOLE_QUEUE, QUEUE
from kling_airflow.simulator.settings import Account

if TYPE_CHECKING:
    from kling_airflow.simulator.service import Service


def service_of(request: Request) -> Service:
    """Return the service that the application serves."""
    service: Service = request.app.state.service
    return service


def from_console(request: Request) -> bool:
    """Return whether a call uses the web console's path, with a console token."""
    path = request.url.path
    return path.startswith(CONSOLE_QUEUE + "/") and not path.startswith(QUEUE + "/")


async def account_of(request: Request) -> Account:
    """Return the account whose key or token the call carries.

    :raises Refusal: 401, 403.
    """
    service, headers = service_of(request), request.headers
    authorization = headers.get("authorization")
    if from_console(request):
        token = (authorization or "").removeprefix("Bearer ")
        return token_account(service, token, "access")
    return service.accounts.authenticate(authorization, headers.get("x-organization-id"))


Caller = Annotated[Account, Depends(account_of)]
