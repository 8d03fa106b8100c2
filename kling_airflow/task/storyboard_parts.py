"""What a storyboard's task works with, made of its arguments: the orders, and the store of the clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import (
    name_or_none,
    one_of,
    read_object_options,
    switch_or_none,
    text_or_none,
)
from kling_airflow.hooks.signing_key import read_signing_key
from kling_airflow.media.limits import ON_MISMATCH
from kling_airflow.submission.budget import Budget
from kling_airflow.task.shot_frames import ShotFrames
from kling_airflow.task.shot_landing import ClipStore
from kling_airflow.task.shot_orders import ShotOrders
from kling_airflow.task.storyboard_arguments import (
    StoryboardArguments,
    adopted,
    budget_of,
    folder_of,
    frame_options_of,
)
from kling_airflow.task.tries import Tries
from kling_airflow.task_instance.key import task_key

if TYPE_CHECKING:
    from kling_airflow.submission.budget import MemoryClaims
    from kling_airflow.task.options import GenerationOptions


def make_store(task: StoryboardArguments, context: Mapping[str, Any]) -> ClipStore:
    """Return where the clips are landed.

    :raises InvalidArgument: for arguments that can't be used.
    """
    ti: Any = context.get("ti")
    one_of("on_mismatch", task.on_mismatch, ON_MISMATCH)
    return ClipStore(
        folder_of(task.destination),
        text_or_none(task.destination_conn_id),
        task.hook,
        task.written_places,
        object_options=read_object_options(task.object_options),
        on_mismatch=task.on_mismatch,
        overwrite=bool(switch_or_none("overwrite", task.overwrite)),
        poster=switch_or_none("poster", task.poster) is not False,
        signing=read_signing_key(name_or_none("signing_conn_id", task.signing_conn_id)),
        landed_by=None if ti is None else task_key(ti, context.get("loop")).to_json(),
    )


def make_orders(
    task: StoryboardArguments,
    context: Mapping[str, Any],
    options: GenerationOptions,
    store: ClipStore,
    claims: MemoryClaims,
) -> ShotOrders:
    """Return what the shots are ordered with.

    :param claims: what is claimed in ``budget_usd``.
    :raises InvalidArgument: for arguments that can't be used.
    """
    from kling_airflow.submission.source_frame import ImageDelivery

    budget = budget_of(task)
    return ShotOrders(
        context=context,
        hook=task.hook,
        log=task.log,
        options=options,
        tries=Tries.of(context, retries=task.retries or 0),
        stop=task.stop,
        frames=ShotFrames(
            task.written_places,
            ImageDelivery.read(task.image_delivery),
            frame_options_of(task),
            text_or_none(task.image_conn_id),
        ),
        store=store,
        max_cost_usd=task.max_cost_usd,
        adopt=adopted(task.adopt_request_ids),
        own_budget=None if budget is None else Budget(f"`budget_usd` ${budget:,.2f}", budget, claims),
    )
