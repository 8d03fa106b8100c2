"""### Each new still becomes a clip

The DAG runs when the asset `kling_stills` gets an event. A task that stores stills names them in its extra::

    outlet_events[Asset("kling_stills")].extra = {"uri": "s3://stills/rocket.jpg"}
    outlet_events[Asset("kling_stills")].extra = {"uris": ["s3://stills/a.jpg", "s3://stills/b.jpg"]}

Airflow may give one run the events of several tasks, and one event may name several stills: `shots` reads
them all, each still once. If an event is stored after another one, and before that one's run is there, its
stills wait for the run of the next event (Airflow 3.3.2, `_create_dag_runs_asset_triggered`). So a task that
stores several stills names them in one event.

`clips` buys a clip of each still in one task. **This is the step that costs money**, so `budget_usd` limits a
run; `[kling] budgets` limits all runs of a day.

To try it without an event, trigger it with `stills` filled in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from kling_airflow.airflow_compat import (  # airflow.sdk, on any Airflow
    DAG,
    AirflowSkipException,
    Asset,
    Param,
    task,
)
from kling_airflow.operators.storyboard import KlingStoryboardOperator

STILLS = Asset("kling_stills")


def events_of(context: Any) -> Mapping[Any, Any]:
    """Return the events of a run by their asset; Airflow 2.11 calls assets datasets."""
    name = "triggering_asset_events"
    return context[name if name in context else "triggering_dataset_events"]  # type: ignore[no-any-return]


def stills_in(events: Iterable[Any]) -> Iterator[str]:
    """Yield the stills that asset events name."""
    for event in events:
        extra = event.extra or {}
        yield from [extra["uri"]] if extra.get("uri") else extra.get("uris") or []


def shot_of(still: str, prompt: str, duration: int) -> dict[str, Any]:
    """Return the shot of a still, named after its file; two stills never share a name."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", still.rpartition("/")[2].rpartition(".")[0]).strip("-_")[:28]
    name = f"{stem or 'still'}-{hashlib.sha256(still.encode()).hexdigest()[:8]}"
    return {"name": name, "frame": still, "prompt": prompt, "duration": duration}


with DAG(
    dag_id="kling_on_new_still",
    schedule=[STILLS],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),  # Airflow 2.11 asks for one
    catchup=False,
    doc_md=__doc__,
    tags=["kling", "gmi_cloud", "example"],
    params={
        "stills": Param(
            [], type="array", title="Stills", description="Instead of those of the asset's events"
        ),
        "prompt": Param(
            "The camera moves slowly forward.",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=2500,
            title="Prompt",
            description="What happens in each clip.",
        ),
        "duration": Param(
            5,
            type="integer",
            minimum=3,
            maximum=15,
            title="Duration",
            description="Seconds of each clip, 3 to 15. Each costs $0.168.",
        ),
        "bucket": Param("s3://clips", type="string", title="Bucket", description="Clips and report go here."),
        "budget_usd": Param(
            10,
            type="number",
            exclusiveMinimum=0,
            title="Budget of the run",
            description="US dollars; a run that would cost more buys nothing.",
        ),
    },
) as dag:

    @task
    def shots(**context: Any) -> list[dict[str, Any]]:
        """Return a shot for each new still, each still once."""
        params = context["params"]
        events = [event for of_asset in events_of(context).values() for event in of_asset]
        stills = list(dict.fromkeys(params["stills"] or stills_in(events)))
        if not stills:
            raise AirflowSkipException("No event names a still.")
        return [shot_of(still, params["prompt"], params["duration"]) for still in stills]

    KlingStoryboardOperator(
        task_id="clips",
        storyboard=shots(),
        destination="{{ params.bucket }}/{{ run_id }}",
        budget_usd="{{ params.budget_usd }}",
    )
