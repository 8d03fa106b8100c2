"""A storyboard's task from its begin, or from a deferral, to its report."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import one_of, seconds
from kling_airflow.errors import BudgetExceeded, DestinationTaken, KlingError, Money, Unreachable
from kling_airflow.links import push_report, push_request_link
from kling_airflow.submission.budget import MemoryClaims
from kling_airflow.task.asset_events import describe_events
from kling_airflow.task.board_frames import refuse_bad_frames
from kling_airflow.task.pause import DEFER_FROM
from kling_airflow.task.shot_progress import BoardProgress, Phase
from kling_airflow.task.shot_removed import add_removed
from kling_airflow.task.shot_report import (
    MAX_REPORT_BYTES,
    REPORT_FILE,
    failure,
    is_report,
    landed_files,
    make_report,
    other_task_of,
    report_bytes,
    report_text,
)
from kling_airflow.task.stop_flag import Stopped
from kling_airflow.task.storyboard_arguments import (
    ON_SHOT_FAILURE,
    StoryboardArguments,
    budget_of,
    in_flight_of,
    load_board,
    options_of,
)
from kling_airflow.task.storyboard_parts import make_orders, make_store
from kling_airflow.task.storyboard_run import StoryboardRun
from kling_airflow.task.storyboard_stop import stopped
from kling_airflow.task.storyboard_trace import traced
from kling_airflow.task.tries import Tries
from kling_airflow.task.wait import DEFERRAL_SLACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.airflow_compat import Context
    from kling_airflow.storyboard.board import Storyboard


class StoryboardTask:
    """What one process does of a storyboard's task.

    :param task: the operator, its templates rendered.
    :param context: the task's context.
    :param board: the storyboard; None if it can't be read any more, and all of it is bought.
    :param progress: how far each take has come.
    :param claims: what is claimed in ``budget_usd``, in millionths of a US dollar.
    """

    def __init__(
        self,
        task: StoryboardArguments,
        context: Context,
        board: Storyboard | None,
        progress: BoardProgress,
        claims: Mapping[str, int] | None = None,
    ) -> None:
        self.task = task
        self.context = context
        self.board = board
        one_of("on_shot_failure", task.on_shot_failure, ON_SHOT_FAILURE)
        self.options = options_of(task)
        self.store = make_store(task, context)
        self.claims = MemoryClaims(dict(claims or {}))
        self.running = StoryboardRun(
            shots={} if board is None else {shot.name: shot for shot in board},
            progress=progress,
            orders=make_orders(task, context, self.options, self.store, self.claims),
            store=self.store,
            max_in_flight=in_flight_of(task),
            fail_fast=task.on_shot_failure == "fail_fast",
        )

    @classmethod
    def begin(cls, task: StoryboardArguments, context: Context) -> StoryboardTask:
        """Return the work of a try that has just begun."""
        try:
            board = load_board(task)
            begun = cls(task, context, board, BoardProgress.of(board))
            before = begun.report_before()
            if not begun.running.orders.tries.is_first:
                add_removed(begun.running.progress, before, begun.running.orders)
            begun.check_budget(board)
            begun.store_report()
            if begun.running.orders.tries.is_first and task.on_shot_failure != "continue":
                refuse_bad_frames(board, begun.running)
        except KlingError as error:
            if Tries.of(context, retries=task.retries or 0).is_first:
                raise
            raise error.with_money(Money.IN_LEDGER) from error.__cause__
        task.log.info("The storyboard %s: %d shots, %d clips.", board.file, len(board.shots), board.clips)
        return begun

    @classmethod
    def resume(
        cls,
        task: StoryboardArguments,
        context: Context,
        event: Any,
        progress: list[dict[str, Any]],
        claims: Mapping[str, int],
        trace: str | None,
    ) -> StoryboardTask:
        """Return the work of a try that comes back from the triggerer."""
        known = BoardProgress.read(progress)
        try:
            board = load_board(task)
        except KlingError as error:
            if known.of_phase(Phase.READY):
                raise error.with_money(Money.IN_LEDGER) from error.__cause__
            task.log.warning("The storyboard can't be read any more, and is not needed: %s", error.what)
            board = None
        resumed = cls(task, context, board, known, claims)
        if not isinstance(event, dict) or not isinstance(event.get("ended"), dict):
            raise Unreachable(f"The trigger ended with an event that can't be read: {str(event)[:200]}.")
        resumed.running.trace = trace
        resumed.running.take_in(event["ended"])
        return resumed

    def check_budget(self, board: Storyboard) -> None:
        """Refuse a storyboard that costs more than ``budget_usd``, and note what earlier tries have claimed.

        :raises BudgetExceeded: if it costs more, or a price is not known.
        """
        budget = budget_of(self.task)
        if budget is None:
            return
        price = board.price()
        if price.unknown:
            price = board.price(self.task.hook.get_conn().model)
        total = price.total_usd
        if total is None or total > budget:
            unknown = ", ".join(price.unknown[:10])
            costs = f"the price of {unknown} is not known" if total is None else f"it costs ${total:,.2f}"
            raise BudgetExceeded(
                f"`budget_usd` of the storyboard {board.file} is ${budget:,.2f}, and {costs}.",
                todo="Take shots or takes out, or raise `budget_usd`.",
            )
        if not self.running.orders.tries.is_first:
            for each in self.running.progress.takes.values():
                self.claims.held |= self.running.orders.claims(each)

    def report_before(self) -> bytes | None:
        """Return the report of the try before; None if there is none.

        :raises InvalidArgument: if the task may not write there.
        :raises DestinationTaken: if there is a file of that name that is no report, or another task's.
        """
        place = self.store.object(REPORT_FILE)
        before = place.read(MAX_REPORT_BYTES)
        if before is None or self.store.overwrite:
            return before
        if not is_report(before):
            what = f"{place.uri} exists, and is no report of a storyboard."
        elif owner := other_task_of(before, self.store.landed_by):
            what = f"`destination`: {place.uri} is the report of another storyboard, of the task {owner}."
        else:
            return before
        raise DestinationTaken(
            what, money=Money.UNSPENT, todo="Name another `destination`, or set `overwrite=True`."
        )

    def store_report(self) -> None:
        """Store a report without results: a folder that can't be written to is found before money is spent.

        :raises StorageFailed: if the store refuses.
        """
        place = self.store.object(REPORT_FILE)
        place.write(report_bytes(self._made_report(place.uri)), "application/json")

    def run(self) -> dict[str, Any]:
        """Go on to the end, or defer.

        :return: the report.
        :raises KlingError: if shots have failed, or the task was told to end.
        """
        with traced(self.running, self.context):
            return self._run()

    def _run(self) -> dict[str, Any]:
        context: Mapping[str, Any] = self.context
        push_request_link(context, None, self.task.hook.get_conn().protocol.base_url)
        push_report(context, self.store.object(REPORT_FILE).link)
        try:
            while True:
                self.running.advance()
                if self.running.over:
                    break
                self._wait()
        except Stopped:
            cancels, progress = self.options.cancel_on_kill, self.running.progress
            raise stopped(self.context, self.task.hook, progress, cancel_on_kill=cancels) from None
        return self._report()

    def lineage(self) -> tuple[list[str | None], list[str | None]]:
        """Return the addresses of the frames, and of what has landed."""
        frames = [address for shot in self.running.shots.values() for address in (shot.frame, shot.end_frame)]
        landed = [each.landed["uri"] for each in self.running.progress.takes.values() if each.landed]
        return frames, landed

    def _wait(self) -> None:
        """Defer, or wait on the worker until something is to be done."""
        now = time.time()
        next_at = self.running.next_submission_at
        if self.task.deferrable and (next_at is None or next_at - now >= DEFER_FROM):
            self._defer(next_at)
        waiting = self.running.progress.of_phase(Phase.WAITING)
        pause = self.options.poll_interval if waiting else DEFER_FROM
        if next_at is not None:
            pause = min(pause, max(0.0, next_at - now))
        self.task.stop.sleep(pause)
        if not self.task.deferrable:
            for each in waiting:
                self.task.stop.check()
                self.running.look(each)

    def _defer(self, wake_at: float | None) -> None:
        from kling_airflow.triggers.storyboard import GMICloudStoryboardTrigger

        now, trace = time.time(), self.running.trace
        waiting = self.running.progress.of_phase(Phase.WAITING)
        models = sorted({each.model or "" for each in waiting})
        latest = max([wake_at or now, *(each.deadline or now for each in waiting)])
        self.task.defer(
            trigger=GMICloudStoryboardTrigger(
                gmi_conn_id=self.options.gmi_conn_id,
                requests={
                    each.name: [each.request_id, each.deadline, models.index(each.model or "")]
                    for each in waiting
                },
                models=models,
                started_at=now,
                poll_interval=self.options.poll_interval,
                unreachable_after=self.options.unreachable_after,
                gather=seconds("land_every", self.task.land_every),
                wake_at=wake_at,
                cancel_on_kill=self.options.cancel_on_kill,
                trace=trace,
                timeout=None if trace is None else self.options.timeout,
            ),
            method_name="execute_complete",
            kwargs={"progress": self.running.progress.to_json(), "claims": self.claims.held}
            | ({} if trace is None else {"trace": trace}),
            timeout=timedelta(seconds=latest - now) + DEFERRAL_SLACK,
        )

    def _report(self) -> dict[str, Any]:
        """Store the report and hand it on; fail if shots have failed and that fails the task."""
        place = self.store.object(REPORT_FILE)
        report = self._made_report(place.uri)
        self.task.log.info("%s", report_text(report))
        self._push("report", report)
        self._push("uris", [row["uri"] for row in report["shots"] if row["uri"]])
        try:
            place.write(report_bytes(report), "application/json")
        except KlingError as error:
            raise error.with_money(
                Money.SPENT if report["landed"] else Money.IN_LEDGER,
                todo="Only the report could not be stored. Run the task again: it buys no clip twice.",
            ) from error.__cause__
        failed = failure(self.running.progress, report)
        if failed is not None and self.task.on_shot_failure != "continue":
            raise failed
        extra = {name: report[name] for name in ("clips", "landed", "failed", "cost_usd", "report_uri")}
        describe_events(self.task.outlets, self.context, extra, landed_files(report))
        return report

    def _made_report(self, uri: str) -> dict[str, Any]:
        title = None if self.board is None else self.board.title
        return make_report(
            title,
            self.running.shots,
            self.running.progress,
            report_uri=uri,
            task=self.store.landed_by,
        )

    def _push(self, key: str, value: Any) -> None:
        ti: Any = self.context.get("ti")
        if ti is not None:
            ti.xcom_push(key=key, value=value)
