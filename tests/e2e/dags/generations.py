"""The DAGs of the kill tests: real operators, and pauses at lines where a worker can be killed."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import task_group

from kling_airflow.airflow_compat import DAG, AirflowFailException, BaseOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

FOLDER = Path(os.environ["WORLD_FOLDER"])
HELD = "held"
"""A pool of one slot that a test can close, so that a next try starts slowly."""


class PausingOperator(KlingImageToVideoOperator):
    """The operator, its first try held up at a line that no fault of the queue can hit.

    It touches ``<run id>.reached`` there, and goes on when there is ``<run id>.release``.

    :param pause_at: ``before-intent``, ``after-intent``, ``after-answer`` or ``after-persisting``.
    """

    template_fields = (*KlingImageToVideoOperator.template_fields, "pause_at")

    def __init__(self, *, pause_at: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pause_at = pause_at

    def execute(self, context: Any) -> Any:
        """Hold this process up where the test wants it."""
        if context["ti"].try_number == 1:
            _pause_at(self.pause_at, FOLDER / context["run_id"])
        return super().execute(context)


def _pause_at(line: str, signs: Path) -> None:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.task_state import TaskStateLedger

    def pause() -> None:
        signs.with_suffix(".reached").touch()
        while not signs.with_suffix(".release").exists():
            time.sleep(0.1)

    if line in {"before-intent", "after-intent", "after-persisting"}:
        state = "submitted" if line == "after-persisting" else "sending"
        write = TaskStateLedger.write

        def pausing_write(ledger: Any, record: Any) -> None:
            if record.state == state and line == "before-intent":
                pause()
            write(ledger, record)
            if record.state == state:
                pause()

        TaskStateLedger.write = pausing_write  # type: ignore[method-assign]
    elif line == "after-answer":
        submit = GMIClient.submit

        def pausing_submit(client: Any, *arguments: Any) -> Any:
            answer = submit(client, *arguments)
            pause()
            return answer

        GMIClient.submit = pausing_submit  # type: ignore[method-assign]


def generation_dag(dag_id: str, operator: type[KlingImageToVideoOperator], **options: Any) -> DAG:
    """Return a DAG of one generation and its landing, everything that is asked in the run's params."""
    with DAG(dag_id=dag_id, schedule=None, catchup=False, params=PARAMS) as dag:
        generate = operator(task_id="generate", **ASKED, **options)
        ClipToObjectStorageOperator(
            task_id="land",
            clip=generate.output,
            destination=f"file://{FOLDER}/clips/{{{{ run_id }}}}.mp4",
            # A second clip of the same run takes the place of the first.
            overwrite=options.get("on_clear") == "buy",
        )
    return dag


FRAME = f"file://{FOLDER}/frame.png"
PARAMS = {"prompt": "", "duration": 3, "line": ""}
ASKED: dict[str, Any] = {
    "image": FRAME,
    "prompt": "{{ params.prompt }}",
    "duration": "{{ params.duration }}",
    "wait_for_completion": True,
    "poll_interval": 2,
    "retries": 3,
    "retry_delay": timedelta(seconds=1),
}
deferred = generation_dag("deferred", KlingImageToVideoOperator)
synchronous = generation_dag("synchronous", KlingImageToVideoOperator, deferrable=False)
held = generation_dag("held_back", KlingImageToVideoOperator, pool=HELD)
remembered = generation_dag(
    "remembered", KlingImageToVideoOperator, ledger=f"file://{FOLDER}/ledger", cancel_on_kill=False
)
KEPT: dict[str, Any] = {"cancel_on_kill": False}  # so that a task that is marked failed leaves its request
cleared_store = generation_dag("cleared_store", KlingImageToVideoOperator, **KEPT)
cleared_folder = generation_dag(
    "cleared_folder", KlingImageToVideoOperator, ledger=f"file://{FOLDER}/ledger", **KEPT
)
cleared_buy = generation_dag("cleared_buy", KlingImageToVideoOperator, on_clear="buy", **KEPT)
pausing = generation_dag("pausing", PausingOperator, pause_at="{{ params.line }}")


def looped_dag(dag_id: str, **options: Any) -> DAG:
    """Return a DAG whose loop makes the same clip in each of two iterations (Airflow 3.4 and later)."""

    @task_group
    def takes() -> None:
        KlingImageToVideoOperator(task_id="generate", **ASKED, **options)

    with DAG(dag_id=dag_id, schedule=None, catchup=False, params=PARAMS) as dag:
        takes.loop(max_iterations=2)
    return dag


if hasattr(task_group(print), "loop"):
    looped_store = looped_dag("looped_store")
    looped_folder = looped_dag("looped_folder", ledger=f"file://{FOLDER}/ledger")

timed_out = generation_dag("timed_out", KlingImageToVideoOperator)
timed_out.dagrun_timeout = timedelta(seconds=100)


class FailingOnSignOperator(BaseOperator):
    """Fails when there is ``<run id>.fail``."""

    def execute(self, context: Any) -> None:
        """Wait for the sign, and fail."""
        while not (FOLDER / context["run_id"]).with_suffix(".fail").exists():
            time.sleep(0.1)
        raise AirflowFailException("as the test asks")


with DAG(dag_id="failed_fast", schedule=None, catchup=False, params=PARAMS, fail_fast=True) as failed_fast:
    KlingImageToVideoOperator(task_id="generate", **ASKED)
    KlingImageToVideoOperator(task_id="on_worker", **(ASKED | {"negative_prompt": "rain"}), deferrable=False)
    FailingOnSignOperator(task_id="fail")

with DAG(dag_id="twins", schedule=None, catchup=False, params=PARAMS) as twins:
    generate = KlingImageToVideoOperator.partial(task_id="generate", **ASKED).expand(
        negative_prompt=["nothing at all", "nothing at all"]
    )
    ClipToObjectStorageOperator.partial(task_id="land").expand_kwargs(
        generate.output.map(
            lambda clip: {"clip": clip, "destination": f"file://{FOLDER}/clips/{clip['request_id']}.mp4"}
        )
    )
