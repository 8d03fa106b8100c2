"""Finds a model's entry by what a user calls the model."""

from __future__ import annotations

from collections.abc import Collection

from kling_airflow.errors import InvalidArgument
from kling_airflow.models.entry import ModelSpec
from kling_airflow.models.table import SPECS
from kling_airflow.yaml_habits import yaml_hint


def spec_of(model: object, *, frames: bool | None = None, among: Collection[str] | None = None) -> ModelSpec:
    """Return a model's entry.

    :param model: the model's id.
    :param frames: True for a model that begins on a frame, False for one that takes none, None for either.
    :param among: the ids that the caller takes; None for every one.
    :raises InvalidArgument: if there is no such entry, naming those that there are.
    """
    known = [spec for spec in SPECS if among is None or spec.id in among]
    known = [spec for spec in known if frames is None or (spec.start_frame is not None) is frames]
    found = next((spec for spec in known if isinstance(model, str) and spec.id == model.strip()), None)
    if found is None:
        raise InvalidArgument(
            f"`model` is {model!r}; this operator knows {', '.join(spec.id for spec in known)}."
            f"{yaml_hint(model)}",
            todo="Use one of these, or GMICloudRequestOperator, which sends any model's payload as it is.",
        )
    return found
