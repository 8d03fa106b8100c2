"""A finished generation, as tasks hand it on: the same small dict on every path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from kling_airflow.errors import InvalidArgument
from kling_airflow.yaml_habits import yaml_hint


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A clip that the queue made; what is not known is None.

    :param request_id: the queue's id of the request.
    :param model: the model's id.
    :param status: the request's status.
    :param video_url: where the clip can be fetched, for a while.
    :param thumbnail_url: where a still of the clip can be fetched.
    :param duration: seconds that were asked for.
    :param sound: whether an audio track was asked for.
    :param cost_usd: the list price in US dollars.
    :param submitted_at: ISO 8601, UTC.
    :param finished_at: ISO 8601, UTC.
    :param gmi_conn_id: the Airflow connection that the request was submitted with.
    :param label: the user's name of the shot.
    :param outcome: everything that the queue answered, by its own names: ``media_urls``, ``audio_url``,
        ``element_id``, ``data`` ...
    :param left_out: the keys of the outcome that are too large to be handed on; the request has them.
    """

    request_id: str
    model: str | None = None
    status: str | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    duration: float | None = None
    sound: bool | None = None
    cost_usd: float | None = None
    submitted_at: str | None = None
    finished_at: str | None = None
    gmi_conn_id: str | None = None
    label: str | None = None
    outcome: Mapping[str, Any] | None = None
    left_out: Sequence[str] | None = None

    @classmethod
    def read(cls, value: object) -> Self:
        """Read the dict that a task handed on.

        :raises InvalidArgument: if it isn't one, or has no request id.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise InvalidArgument(
                f"`clip` is {type(value).__name__}; it must be the dict that GMICloudRequestSensor returns,"
                f" for instance clip=wait.output.{yaml_hint(value)}"
            )
        known: dict[str, Any] = {name: value.get(name) for name in cls.__dataclass_fields__}
        if not isinstance(known["request_id"], str) or not known["request_id"].strip():
            raise InvalidArgument(
                "`clip` has no request_id; it must be the dict that GMICloudRequestSensor returns."
            )
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the dict that tasks hand on."""
        return asdict(self)
