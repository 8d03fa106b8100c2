"""The queue's client of an Airflow connection: its errors are Airflow's; a key is read as it was pasted."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from kling_airflow.errors import Unauthorized
from kling_airflow.exceptions import airflow_errors
from kling_airflow.gmi.client import GMIClient

_HEADER: Final = re.compile(r"(authorization\s*:\s*)?bearer(\s+|$)", re.IGNORECASE)
_QUOTES: Final = ("\"'", "'\"", '""', "''", "``", "\u201c\u201d", "\u2018\u2019")


class ConnectionClient(GMIClient):
    """A client whose errors are those of :mod:`kling_airflow.exceptions`: Airflow knows which to retry.

    Nothing keeps a task that calls ``submit`` itself from submitting again in a retry: see
    :func:`kling_airflow.task.buy.buy`.

    :param gmi_conn_id: the connection, which the error of a refused key names.
    :param settings: the arguments of :class:`GMIClient`.
    """

    def __init__(self, gmi_conn_id: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.gmi_conn_id = gmi_conn_id


def _with_airflow_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(client: ConnectionClient, *args: Any, **kwargs: Any) -> Any:
        with airflow_errors():
            try:
                return method(client, *args, **kwargs)
            except Unauthorized as error:
                todo = f"{error.todo} The key is that of the connection `{client.gmi_conn_id}`."
                raise error.with_money(error.money, todo=todo.strip()) from error.__cause__

    return call


# `list_requests` and `cancel` need no wrapping: the first calls `list_page`, the second raises nothing.
for _name in ("submit", "get", "list_page", "check", "models", "model", "upload"):
    setattr(ConnectionClient, _name, _with_airflow_errors(getattr(GMIClient, _name)))


def pasted_key(text: str | None) -> str:
    """Return an API key without what is often pasted with it: blanks, quotes, ``Bearer``.

    :param text: the connection's password.
    """
    key = (text or "").strip()
    while True:
        shorter = key[1:-1] if len(key) > 1 and key[0] + key[-1] in _QUOTES else _HEADER.sub("", key, count=1)
        if shorter.strip() == key:
            return key
        key = shorter.strip()
