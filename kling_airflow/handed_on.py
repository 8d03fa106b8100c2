"""What the task that submits hands on about its request, and how the tasks behind it find that again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from kling_airflow.arguments import text_or_none
from kling_airflow.errors import InvalidArgument, Money, NotFound
from kling_airflow.yaml_habits import yaml_hint

REQUEST_KEY: Final = "request"
"""The XCom that holds what :class:`HandedOn` says, whatever the task returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOn:
    """A request as a task hands it on.

    :param request_id: the queue's id.
    :param model: the model's id; None if it isn't known.
    :param gmi_conn_id: the connection that submitted it; None if it isn't known.
    :param label: the user's name of the shot; None if it has none.
    :param task_id: the task that submitted it; None if it isn't known.
    """

    request_id: str
    model: str | None = None
    gmi_conn_id: str | None = None
    label: str | None = None
    task_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the XCom's value."""
        return asdict(self)

    @classmethod
    def read(cls, value: object) -> Self:
        """Read what is given as a request: its id, a clip's dict, or the JSON of one.

        :raises InvalidArgument: for anything else; the text says what was given.
        """
        if isinstance(value, Mapping):
            names = ("model", "gmi_conn_id", "label", "task_id")
            known = {name: text_or_none(value.get(name)) for name in names}
            return cls(request_id=_id(value.get("request_id")), **known)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                return cls.read(json.loads(value))
            except ValueError:
                raise InvalidArgument(
                    "`request_id` begins with a brace and is not JSON.",
                    todo="Give the request id itself, for instance request_id=submit.output.",
                ) from None
        if not isinstance(value, str) and isinstance(value, Sequence):
            return cls.read(_only(value))
        return cls(request_id=_id(value))


def find(ti: Any, upstream: Iterable[Any], request_id: str) -> HandedOn | None:
    """Return what an upstream task says of a request; None if no upstream task has submitted it.

    :param ti: the running task instance.
    :param upstream: the upstream tasks, mapped or not.
    """
    for task in upstream:
        if getattr(getattr(task, "operator_class", type(task)), "hands_on_request", False):
            values = ti.xcom_pull(task_ids=task.task_id, key=REQUEST_KEY)
            for value in [values] if isinstance(values, Mapping) else values or []:
                if isinstance(value, Mapping) and value.get("request_id") == request_id:
                    return HandedOn.read(value)
    return None


def unknown_request(asked: HandedOn, submitted: HandedOn | None) -> NotFound:
    """Return the error of a request that the queue doesn't show with the connection that was asked.

    :param asked: the request and the connection.
    :param submitted: what the task that submitted it says; None if no upstream task did.
    """
    if submitted is not None and submitted.gmi_conn_id not in (None, asked.gmi_conn_id):
        todo = (
            f"Task `{submitted.task_id}` submitted it with the connection `{submitted.gmi_conn_id}`: set"
            " `gmi_conn_id` to that."
        )
    else:
        todo = (
            "Check `gmi_conn_id` first: a request can be read only with a key of the account and the"
            " organization that submitted it. Then check the request id; a request that was made in the web"
            " console can't be read with an API key."
        )
    return NotFound(
        f"The queue has no request {asked.request_id!r} for the connection `{asked.gmi_conn_id}`.",
        money=Money.UNKNOWN,
        todo=todo,
        request_id=asked.request_id,
    )


def _id(value: object) -> str:
    text = text_or_none(value)
    if text is None or not isinstance(value, str):
        raise InvalidArgument(
            f"`request_id` is {value!r}; it must be the id of a request.{yaml_hint(value)}",
            todo="Check the template or the task it comes from.",
        )
    return text.strip()


def _only(values: Sequence[object]) -> object:
    """Return the only value of a list, which is what a mapped task with one map index returns."""
    if len(values) != 1:
        raise InvalidArgument(
            f"`request_id` holds {len(values)} requests; it must be one. A mapped task returns a list.",
            todo="Map this task, too: `.partial(...).expand(request_id=submit.output)`.",
        )
    return values[0]
