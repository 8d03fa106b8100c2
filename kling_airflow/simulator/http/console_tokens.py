"""The web console's tokens: signed claims that expire."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING

from kling_airflow.simulator.queue.refusal import Refusal

if TYPE_CHECKING:
    from kling_airflow.simulator.service import Service
    from kling_airflow.simulator.settings import Account

SESSION_SECONDS = 3600
_SECRET = secrets.token_bytes(32)


def token_account(service: Service, token: str, use: str) -> Account:
    """Return the account of a token.

    :param use: the use of the token: `auth`, `access` or `refresh`.
    :raises Refusal: 401 when the token was not signed here, is for another use, or has expired.
    """
    signed, _, signature = token.rpartition(".")
    if hmac.compare_digest(signature.encode(), _signature(signed).encode()):
        claims = json.loads(_decoded(signed.partition(".")[2]))
        account = service.accounts.named(claims["userId"], claims["key"])
        if account is not None and claims["use"] == use and claims["exp"] > service.clock.now():
            return account
    raise Refusal(401, "invalid or expired token")


def new_token(service: Service, account: Account, use: str) -> str:
    """Return a token for an account, a JWT as the SDK reads it."""
    expires = int(service.clock.now()) + SESSION_SECONDS
    claims = {"userId": account.user, "key": account.name, "use": use, "exp": expires}
    signed = ".".join(
        _encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    return f"{signed}.{_signature(signed)}"


def _signature(signed: str) -> str:
    return _encoded(hmac.new(_SECRET, signed.encode(), hashlib.sha256).digest())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
