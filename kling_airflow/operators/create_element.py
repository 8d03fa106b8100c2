"""Elements: a character or a thing, made once of pictures, and shown in many clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow import models
from kling_airflow.arguments import name_or_none, text_or_none, whole_number
from kling_airflow.errors import GenerationFailed, Money
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.task.frame_argument import delivery
from kling_airflow.task.omni_arguments import element_images
from kling_airflow.task.omni_literals import check_literal_element, element_options

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.payloads import ClipOptions
    from kling_airflow.submission.order import Order
    from kling_airflow.submission.source_frame import SourceFrame
    from kling_airflow.task.frame_order import FrameReader
    from kling_airflow.task.literals import Literals

ELEMENT_KEY = "element_id"
"""The XCom, and the key of what the operator returns, that holds the element's id."""


class KlingCreateElementOperator(GenerationOperator):
    """Make an element of pictures of a character or a thing: the same one in every clip that shows it.

    Returns the result with the key ``element_id``, which is an XCom of its own, too. Pass the result, or the
    id, to ``KlingOmniOperator(elements=[...])``, and name it in the prompt: ``<<<element_1>>>``.

    One user's price list says that an element is free; what the queue's catalog says counts for
    ``max_cost_usd``. A retry or a clear of this task returns the element that was made.

    What is not described here is described at :class:`GenerationOperator`; ``wait_for_completion`` is True.

    :param element_name: 1 to 20 characters; templated, as are all parameters here.
    :param element_description: what it is, 1 to 100 characters.
    :param frontal_image: the picture from the front, as ``image`` of :class:`KlingImageToVideoOperator`.
    :param refer_images: 1 to 3 more pictures, in a list.
    :param tags: ids of the vendor's tags, such as ``o_102`` for a character, in a list.
    :param max_cost_usd: refuse, before anything is sent, an element that costs more; None for no limit.
    :param image_delivery: how the pictures get to the queue: ``auto``, ``upload``, ``base64`` or ``url``.
    :param image_conn_id: the connection of the pictures' store; None for the store's default.
    """

    template_fields: Sequence[str] = (
        "element_name",
        "element_description",
        "frontal_image",
        "refer_images",
        "tags",
        "max_cost_usd",
        "image_delivery",
        "image_conn_id",
        *GenerationOperator.template_fields,
    )

    def __init__(
        self,
        *,
        element_name: str,
        element_description: str,
        frontal_image: Any,
        refer_images: Any,
        tags: Any = None,
        max_cost_usd: float | str | None = None,
        image_delivery: str = "auto",
        image_conn_id: str | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(wait_for_completion=wait_for_completion, **kwargs)
        self.element_name = element_name
        self.element_description = element_description
        self.frontal_image = frontal_image
        self.refer_images = refer_images
        self.tags = tags
        self.max_cost_usd = max_cost_usd
        self.image_delivery = image_delivery
        self.image_conn_id = image_conn_id
        self._written = {"element_name": element_name, "element_description": element_description}
        self.written_places = WrittenPlaces(self, frontal_image=frontal_image, refer_images=refer_images)
        self.check_own_literals()

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say: texts, pictures, a limit that is none."""
        super().check_literals(given)
        check_literal_element(given)

    def _clip_options(self) -> ClipOptions:
        return element_options(vars(self), self._written)

    def _sources(self) -> dict[str, str]:
        return element_images(vars(self))

    def _model(self) -> str:
        return models.CREATE_ELEMENT

    def _asked(self) -> dict[str, Any]:
        return {"cost_usd": self._clip_options().price_usd}

    def _frames_used(self) -> list[str | None]:
        return list(self._sources().values())

    def _order(self, client: GMIClient, *, generation: int = 0) -> Order:
        from kling_airflow.task.frame_order import FrameReader, frames_order

        options = self._clip_options()
        take = whole_number("take", self.take, least=1)
        how = delivery(self.image_delivery)
        conn_id = name_or_none("image_conn_id", self.image_conn_id)
        return frames_order(
            client,
            options,
            self._read_frames(FrameReader(self.written_places, conn_id, how, self.log)),
            how,
            take=take,
            max_cost_usd=self.max_cost_usd,
            words=f"the element {self.element_name!r}",
            log=self.log,
            generation=generation,
        )

    def _read_frames(self, reader: FrameReader) -> dict[str, SourceFrame]:
        return {place: reader.frame(place, address) for place, address in self._sources().items()}

    def _clip(self, context: Context, clip: dict[str, Any]) -> dict[str, Any]:
        result = super()._clip(context, clip)
        outcome = result.get("outcome") or {}
        element_id = outcome.get(ELEMENT_KEY)
        if isinstance(element_id, int) and not isinstance(element_id, bool):
            element_id = str(element_id)
        if not isinstance(element_id, str) or text_or_none(element_id) is None:
            raise GenerationFailed(
                f"Request {result['request_id']} succeeded, but its outcome names no `element_id`; it has"
                f" {', '.join(f'`{name}`' for name in outcome) or 'nothing'}.",
                money=Money.SPENT,
                todo="Look the request up in the GMI Cloud console, or ask its support.",
                request_id=result["request_id"],
            )
        context["ti"].xcom_push(key=ELEMENT_KEY, value=element_id)
        return result | {ELEMENT_KEY: element_id}
