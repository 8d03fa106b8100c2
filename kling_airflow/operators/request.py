"""Any model of the queue, its payload passed through untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import name_or_none, refuse_empty_templates, refuse_unsendable, whole_number
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import airflow_errors
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.prices import price_usd
from kling_airflow.task.options import switch
from kling_airflow.task.payload_order import payload_order
from kling_airflow.task.price_limit import catalog_price_usd, limit_usd, refuse_above_limit

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Templated
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import Order
    from kling_airflow.task.literals import Literals


class GMICloudRequestOperator(GenerationOperator):
    """Submit a payload to any model of the queue; return the request id, or wait for the result.

    The payload is sent unchanged. Nothing marks the request in the queue's list, so a request whose response
    was lost is found by its payload, and adopted only if the ledger can claim it (``ledger="s3://..."``).

    What is not described here is described at :class:`GenerationOperator`.

    :param model: the model's id; case matters; templated.
    :param payload: what the model is asked; templated.
    :param check_payload: None holds the payload of a model that has an entry in
        ``kling_airflow.models.MODELS`` against that entry before it is sent; True holds it against the
        catalog's schema, too; False sends it unchecked.
    :param max_cost_usd: refuse, before anything is sent, what costs more, by the higher of the table of
        models and the catalog; templated.
    """

    template_fields: Sequence[str] = (
        "model",
        "payload",
        "max_cost_usd",
        *GenerationOperator.template_fields,
    )
    template_fields_renderers = {"payload": "json"}  # noqa: RUF012 -- Airflow's own type

    def __init__(
        self,
        *,
        model: Templated[str],
        payload: Templated[Mapping[str, Any]],
        check_payload: bool | str | None = None,
        max_cost_usd: Templated[float | str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model: Any = model
        self.payload: Any = payload
        self.max_cost_usd: Any = max_cost_usd
        self._written = payload
        with airflow_errors():
            self.check_payload = None if check_payload is None else switch("check_payload", check_payload)
        self.check_own_literals()

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say; a price, if the table of models has it."""
        super().check_literals(given)
        given.read("max_cost_usd", lambda _, value: limit_usd(value))
        given.read("model", lambda _, value: _model_id(value), none=True)
        given.read("payload", lambda _, value: _check_payload(value), none=True)
        if given.get("max_cost_usd") is not None and given.keys() >= {"model", "payload"}:
            model = _model_id(given["model"])
            price = price_usd(model, given["payload"])
            if price is not None:
                refuse_above_limit(given["max_cost_usd"], price, f"this request of {model}")

    def _model(self) -> str:
        return _model_id(self.model)

    def _asked(self) -> dict[str, Any]:
        from kling_airflow.gmi.request import Request

        request = Request("", self._model(), payload=self.payload)
        return {"duration": request.duration, "sound": request.sound}

    def _price_usd(self, client: GMIClient) -> float | None:
        return catalog_price_usd(client, self._model(), self.payload, self.log)

    def _order(self, client: GMIClient, *, generation: int = 0) -> Order:
        _check_payload(self.payload)
        refuse_empty_templates("payload", self.payload, self._written)
        model = self._model()
        return payload_order(
            client,
            model,
            self.payload,
            take=whole_number("take", self.take, least=1),
            max_cost_usd=self.max_cost_usd,
            check_payload=self.check_payload,
            words=f"this request of {model}",
            log=self.log,
            generation=generation,
        )


def _model_id(model: object) -> str:
    name = name_or_none("model", model)
    if name is None:
        raise InvalidArgument(f"`model` is {model!r}; it must be the id of a model.")
    return name


def _check_payload(payload: object) -> None:
    if not isinstance(payload, Mapping) or not payload:
        raise InvalidArgument(f"`payload` is a {type(payload).__name__}; it must be a filled dict.")
    refuse_unsendable("payload", payload)
