"""What is known of a clip when it becomes part of a film, beside the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.credentials import Credentials


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A clip of a film; what is not known is None.

    :param uri: where the clip lies, without credentials.
    :param sha256: of its file, in hex.
    :param bytes: of its file.
    :param request_id: the queue's id of the request that made it.
    :param model: the model's id.
    :param take: which take it is.
    :param label: the shot's name.
    :param prompt: what was asked.
    :param cost_usd: what it cost.
    :param credentials: the vendor's, as they were found in the file.
    """

    uri: str
    sha256: str = ""
    bytes: int = 0
    request_id: str | None = None
    model: str | None = None
    take: int | None = None
    label: str | None = None
    prompt: str | None = None
    cost_usd: float | None = None
    credentials: Credentials | None = None

    @property
    def title(self) -> str:
        """What people see: the shot's name, or the file's."""
        return self.label or self.uri.rpartition("/")[2].rpartition(".")[0] or self.uri

    @classmethod
    def read(cls, value: object, uri: str) -> Self:
        """Read what a task handed on about a clip: a landing's result, a clip dict, or an address alone.

        :raises InvalidArgument: a cost or a take that is no number.
        """
        known = value if isinstance(value, Mapping) else {}
        return cls(
            uri=uri,
            request_id=_text(known, "request_id"),
            model=_text(known, "model"),
            take=None if (take := _number(known, "take")) is None else int(take),
            label=_text(known, "label") or _text(known, "name"),
            prompt=_text(known, "prompt"),
            cost_usd=_number(known, "cost_usd"),
        )

    def with_sidecar(self, content: Mapping[str, Any]) -> Self:
        """Return the shot with what the clip's own sidecar says, where it is not known otherwise."""
        asked = content.get("asked")
        asked = asked if isinstance(asked, Mapping) else {}
        return replace(
            self,
            request_id=self.request_id or _text(content, "request_id"),
            model=self.model or _text(content, "model"),
            prompt=self.prompt or _text(asked, "prompt"),
            cost_usd=_number(content, "cost_usd") if self.cost_usd is None else self.cost_usd,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the film's sidecar says of the clip."""
        return {
            "uri": self.uri,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "request_id": self.request_id,
            "model": self.model,
            "take": self.take,
            "label": self.label,
            "prompt": self.prompt,
            "cost_usd": self.cost_usd,
            "credentials": None if self.credentials is None else self.credentials.to_json(),
        }


def _text(known: Mapping[str, Any], name: str) -> str | None:
    value = known.get(name)
    return None if value is None or value == "" else str(value)


def _number(known: Mapping[str, Any], name: str) -> float | None:
    value = known.get(name)
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidArgument(f"`clips`: {name} is {value!r}; it must be a number.") from None
