"""The web console's login, as the vendor's SDK uses it.

The same queue accepts the console's tokens, without `/apikey` in its path. Two users saw that a request made
there answers 404 by id with an API key, although the list of that key shows the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotations

from kling_airflow.simulator.http.authentication import service_of
from kling_airflow.simulator.http.console_tokens import new_token, token_account
from kling_airflow.simulator.http.responses import json_response
from kling_airflow.simulator.queue.refusal import Refusal

if TYPE_CHECKING:
    from kling_airflow.simulator.settings import Account

router = APIRouter(prefix="/api/v1/me", include_in_schema=False)


@router.post("/auth-tokens")
async def auth_tokens(request: Request) -> Response:
    """Log in: any e-mail address, with an API key as the password."""
    content = await _json(request)
    account = service_of(request).accounts.find(f"Bearer {content.get('password')}")
    if account is None:
        raise Refusal(401, "invalid email or password")
    return json_response(
        {"authToken": new_token(service_of(request), account, "auth"), "is2FARequired": False}
    )


@router.post("/sessions")
async def create_session(request: Request) -> Response:
    """Turn the token of a login into a session."""
    content = await _json(request)
    return _session(request, token_account(service_of(request), str(content.get("authToken")), "auth"))


@router.patch("/sessions")
async def refresh_session(request: Request) -> Response:
    """Turn a refresh token into a new session."""
    content = await _json(request)
    return _session(request, token_account(service_of(request), str(content.get("refreshToken")), "refresh"))


@router.get("/profile")
async def profile(request: Request) -> Response:
    """Return the user and the organization of a session."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    account = token_account(service_of(request), token, "access")
    return json_response(
        {"user": {"id": account.user}, "organization": {"id": account.organization, "role": "owner"}}
    )


def _session(request: Request, account: Account) -> Response:
    access, refresh = (new_token(service_of(request), account, use) for use in ("access", "refresh"))
    return json_response({"accessToken": access, "refreshToken": refresh})


async def _json(request: Request) -> dict[str, Any]:
    try:
        content = await request.json()
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid request body: not JSON") from error
    if not isinstance(content, dict):
        raise Refusal(400, "invalid request body: want an object")
    return content
