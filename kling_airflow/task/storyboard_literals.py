"""What is wrong in the literal arguments of a storyboard's task, said when the DAG is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kling_airflow.arguments import (
    name_or_none,
    one_of,
    read_object_options,
    seconds,
    switch_or_none,
    text_or_none,
    whole_number,
)
from kling_airflow.media.geometry import SHORT_SIDE, check_options
from kling_airflow.media.limits import ON_MISMATCH
from kling_airflow.task.frame_argument import delivery
from kling_airflow.task.options import check_literal_options
from kling_airflow.task.price_limit import limit_usd
from kling_airflow.task.storyboard_arguments import ON_SHOT_FAILURE, adopted, folder_of, read_budget

if TYPE_CHECKING:
    from kling_airflow.task.literals import Literals


def check_literal_storyboard(given: Literals) -> None:
    """Refuse what is wrong whatever the templates will say.

    :raises InvalidArgument: naming the argument, or everything that is wrong with a literal storyboard.
    """
    check_literal_options(given)
    given.read("on_mismatch", lambda name, value: one_of(name, value, ON_MISMATCH), none=True)
    given.read("on_shot_failure", lambda name, value: one_of(name, value, ON_SHOT_FAILURE), none=True)
    given.read("max_in_flight", _read_in_flight)
    given.read("max_cost_usd", lambda _, value: limit_usd(value))
    given.read("budget_usd", read_budget)
    given.read("land_every", seconds, none=True)
    given.read("image_delivery", lambda _, value: delivery(value))
    given.read("adopt_request_ids", lambda _, value: adopted(value))
    given.read("object_options", lambda _, value: read_object_options(value))
    given.read("destination", lambda _, value: folder_of(value), none=True)
    for name in ("overwrite", "poster"):
        given.read(name, switch_or_none)
    for name in ("storyboard_conn_id", "image_conn_id", "destination_conn_id", "signing_conn_id"):
        given.read(name, name_or_none)
    if text_or_none(given.get("aspect_ratio")):
        check_options(
            str(given["aspect_ratio"]), text_or_none(given.get("fit")) or "cover", "center", SHORT_SIDE
        )
    given.read("storyboard", _read_shots)


def _read_in_flight(name: str, value: object) -> None:
    if text_or_none(value) is not None:
        whole_number(name, value, least=1)


def _read_shots(_: str, value: object) -> None:
    """Check shots that the DAG's code lists; a file is read when the task runs."""
    if isinstance(value, list | tuple | Mapping):
        from kling_airflow.storyboard.board import Storyboard

        Storyboard.load(value)
