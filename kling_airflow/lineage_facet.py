"""The OpenLineage facet of a run that has bought, landed or joined clips."""

from __future__ import annotations

import attr
from airflow.providers.common.compat.openlineage.facet import RunFacet

SCHEMA = (
    "https://github.com/kling-airflow/kling_airflow/blob/main/docs/reference/KlingRunFacet.json"
    "#/$defs/KlingRunFacet"
)


@attr.define
class KlingRunFacet(RunFacet):
    """Which requests a run is about, and what they cost.

    :param requestIds: of the queue; a film's own id, if the run has joined clips.
    :param models: the models that made the clips.
    :param costUsd: of all of them, in US dollars; None if it isn't known.
    :param durationSeconds: of all clips together.
    """

    requestIds: list[str] = attr.field(factory=list)  # noqa: N815 -- OpenLineage's style
    models: list[str] = attr.field(factory=list)
    costUsd: float | None = attr.field(default=None)  # noqa: N815
    durationSeconds: float | None = attr.field(default=None)  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return SCHEMA
