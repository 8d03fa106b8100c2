"""### A storyboard becomes a film

A YAML, JSON or CSV file in object storage names the shots. Then:

1. `price` checks the whole file and says what it costs. It fails if that is more than the budget.
2. `approve` waits for a person, with the shots and the price in its body. Set `approve` to false to skip it.
3. `clips` buys all clips in one task, waits for them in the triggerer, and lands each as it finishes. **This
   is the step that costs money.** A retry or a clear buys no clip twice; shots that failed are listed in
   `report.json`, and a clear of `clips` buys only those.
4. `sheet` puts pictures of each take side by side, with time codes and what looks wrong.
5. `film` joins the first take of each shot, in order, into `film.mp4`, with chapters and captions.

The asset `kling_films` gets an event for each film.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from kling_airflow.airflow_compat import (  # airflow.sdk, on any Airflow
    DAG,
    AirflowException,
    AirflowFailException,
    Asset,
    ObjectStoragePath,
    Param,
    task,
)
from kling_airflow.operators.join_clips import JoinClipsOperator
from kling_airflow.operators.storyboard import KlingStoryboardOperator

FOLDER = "{{ params.bucket }}/{{ run_id }}"

with DAG(
    dag_id="kling_storyboard",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["kling", "gmi_cloud", "example"],
    params={
        "storyboard": Param(
            "s3://boards/shots.yaml", type="string", title="Storyboard", description="A .yaml, .json or .csv"
        ),
        "bucket": Param("s3://clips", type="string", title="Bucket", description="Clips and film go here."),
        "budget_usd": Param(
            20,
            type="number",
            exclusiveMinimum=0,
            title="Budget",
            description="US dollars; a storyboard that costs more is refused before anything is bought.",
        ),
        "approve": Param(
            True,
            type="boolean",
            title="Approval",
            description="Ask a person, with the shots and the price, before anything is bought.",
        ),
    },
) as dag:

    @task
    def price(**context: Any) -> str:
        """Check the storyboard, and say shot by shot what it costs; nothing is bought."""
        from kling_airflow.hooks.gmi import GMICloudHook
        from kling_airflow.hooks.storyboard_file import read_storyboard

        board = read_storyboard(context["params"]["storyboard"])
        costs = board.price(GMICloudHook().get_conn().model)
        budget = context["params"]["budget_usd"]
        if costs.total_usd is None or costs.total_usd > budget:
            known = f"${costs.known_usd:.2f}" if costs.total_usd is not None else "an unknown amount"
            raise AirflowFailException(f"The storyboard costs {known}; the budget is ${budget:.2f}.")
        rows = [
            f"| {shot.name} | {shot.takes} | {shot.options.duration} s | ${shot_price.total_usd:.2f} |"
            for shot_price in costs.shots
            for shot in [shot_price.shot]
        ]
        total = f"**{board.clips} clips for ${costs.total_usd:.2f}**\n"
        return "\n".join([total, "| shot | takes | length | price |", "|---|---|---|---|", *rows])

    @task.branch
    def ask(**context: Any) -> str:
        """Go on to the person, or past them."""
        return "approve" if context["params"]["approve"] else "clips"

    try:
        from airflow.providers.standard.operators.hitl import ApprovalOperator
    except (ImportError, AirflowException):  # before Airflow 3.1 no task can ask a person

        @task(task_id="approve")
        def refuse() -> None:
            """Say why no person can be asked."""
            raise AirflowFailException("Airflow asks people from 3.1 on. Set `approve` to false.")

        approve: Any = refuse()
    else:
        approve = ApprovalOperator(
            task_id="approve",
            subject="Buy the clips of {{ params.storyboard }}?",
            body="{{ ti.xcom_pull(task_ids='price') }}",
            fail_on_reject=True,
        )

    clips = KlingStoryboardOperator(
        task_id="clips",
        storyboard="{{ params.storyboard }}",
        destination=FOLDER,
        budget_usd="{{ params.budget_usd }}",
        trigger_rule="none_failed_min_one_success",
    )

    @task
    def chosen(report: Any) -> list[dict[str, Any]]:
        """Return the first take of each shot; exchange it here for the one that a person has chosen."""
        takes: dict[str, dict[str, Any]] = {}
        for row in report["shots"]:
            takes.setdefault(row["shot"], row)
        return list(takes.values())

    @task
    def sheet(report: Any, **context: Any) -> str:
        """Put pictures of each take side by side, and name what looks wrong."""
        from kling_airflow.media.film.contact_sheet import SheetTake, contact_sheet
        from kling_airflow.media.film.take_check import check_take

        folder = ObjectStoragePath(context["params"]["bucket"]) / context["run_id"]
        with tempfile.TemporaryDirectory() as local:
            takes = []
            for row in report["shots"]:
                path = Path(local) / f"{row['name']}.mp4"
                path.write_bytes((folder / path.name).read_bytes())
                problems = check_take(path, sound=row["sound"]).problems
                takes.append(SheetTake(path=path, title=row["name"], note="; ".join(problems)))
            (folder / "contact-sheet.jpg").write_bytes(contact_sheet(takes))
        return str(folder / "contact-sheet.jpg")

    film = JoinClipsOperator(
        task_id="film",
        clips=chosen(clips.output),
        destination=f"{FOLDER}/film.mp4",
        captions="prompts",
        outlets=[Asset("kling_films")],
    )

    decision = ask()
    price() >> decision >> [approve, clips]
    approve >> clips
    clips >> sheet(clips.output)
