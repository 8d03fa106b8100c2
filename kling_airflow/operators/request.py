"""Any model of the queue, its payload passed through untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import is_literal, refuse_empty_templates, whole_number
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import airflow_errors
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.task.payload_order import payload_order
from kling_airflow.task.price_limit import catalog_price_usd, limit_usd

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import Order


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
        model: str,
        payload: Mapping[str, Any],
        check_payload: bool | None = None,
        max_cost_usd: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.payload = payload
        self.check_payload = check_payload
        self.max_cost_usd = max_cost_usd
        self._written = payload
        if is_literal(max_cost_usd):
            with airflow_errors():
                limit_usd(max_cost_usd)

    def _model(self) -> str:
        if not isinstance(self.model, str) or not self.model.strip():
            raise InvalidArgument(f"`model` is {self.model!r}; it must be the id of a model.")
        return self.model.strip()

    def _asked(self) -> dict[str, Any]:
        from kling_airflow.gmi.request import Request

        request = Request("", self._model(), payload=self.payload)
        return {"duration": request.duration, "sound": request.sound}

    def _price_usd(self, client: GMIClient) -> float | None:
        return catalog_price_usd(client, self._model(), self.payload, self.log)

    def _order(self, client: GMIClient, *, generation: int = 0) -> Order:
        if not isinstance(self.payload, Mapping) or not self.payload:
            raise InvalidArgument(f"`payload` is a {type(self.payload).__name__}; it must be a filled dict.")
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
