"""One try of a storyboard: shots submitted, waited for, landed and chained, many at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidArgument, KlingError, Money
from kling_airflow.hooks.shot_span import shot_place
from kling_airflow.task.shot_orders import NothingIsBought, ShotLog, ShotPaused
from kling_airflow.task.shot_progress import BoardProgress, Phase, ShotProgress
from kling_airflow.task.shot_threads import in_threads
from kling_airflow.task.shot_trace import trace_end

if TYPE_CHECKING:
    from kling_airflow.storyboard.shot import Shot
    from kling_airflow.submission.order import Log
    from kling_airflow.task.options import GenerationOptions
    from kling_airflow.task.shot_landing import ClipStore
    from kling_airflow.task.shot_orders import ShotOrders


@dataclass
class StoryboardRun:
    """What a try does with a storyboard, and how far it has come.

    :param shots: the shots by name.
    :param progress: how far each take has come.
    :param orders: buys clips.
    :param store: where clips are landed.
    :param max_in_flight: how many requests may be in the queue at a time.
    :param fail_fast: whether nothing more is submitted after a shot has failed.
    :param trace: the place of the storyboard's first span; None if tracing is off.
    """

    shots: Mapping[str, Shot]
    progress: BoardProgress
    orders: ShotOrders
    store: ClipStore
    max_in_flight: int
    fail_fast: bool = False
    trace: str | None = None

    @property
    def options(self) -> GenerationOptions:
        """How the task submits and waits."""
        return self.orders.options

    @property
    def log(self) -> Log:
        """The task's log."""
        return self.orders.log

    @property
    def over(self) -> bool:
        """Whether nothing is left to do in this try."""
        if self.progress.of_phase(Phase.WAITING, Phase.FINISHED):
            return False
        return not (self._ready() if self._gave_up else self.progress.of_phase(Phase.READY))

    @property
    def _gave_up(self) -> bool:
        """Whether nothing more is submitted because a shot has failed."""
        failed = self.progress.of_phase(Phase.FAILED)
        return self.fail_fast and any(not each.removed for each in failed)

    @property
    def next_submission_at(self) -> float | None:
        """When a shot is to be submitted again, in Unix seconds; None if no shot waits for that."""
        return min((each.later_at for each in self._ready() if each.later_at is not None), default=None)

    def advance(self) -> None:
        """Submit and land whatever can be, until only waiting is left.

        :raises Stopped: if the task was told to end.
        """
        while True:
            self.orders.stop.check()
            self._fail_what_hangs_on_failed()
            landings = [(each, self._land) for each in self.progress.of_phase(Phase.FINISHED)]
            work = [*landings, *((each, self._submit) for each in self._due())]
            if not work:
                return
            in_threads(work, self.orders.stop)

    def take_in(self, ended: Mapping[str, Any]) -> None:
        """Note what a trigger says of requests that have ended.

        :param ended: by the name of the take, as ``polling.decision.to_event`` writes it.
        """
        from kling_airflow.polling.decision import from_event

        for name, event in ended.items():
            each = self.progress.takes.get(name)
            if each is None or each.phase is not Phase.WAITING:
                continue
            try:
                self._has_clip(each, from_event(event))
            except KlingError as error:
                self._has_failed(each, error)

    def look(self, each: ShotProgress) -> None:
        """Ask the queue once about a take that waits, and note what it says."""
        from kling_airflow.task.wait import WorkerWait, begin_wait

        now = time.time()
        wait = begin_wait(
            each.request_id or "",
            timeout=max(0.0, (each.deadline or now) - now),
            unreachable_after=self.options.unreachable_after,
            started_at=now,
        )
        log = ShotLog(self.log, each.name)
        try:
            worker_wait = WorkerWait(
                wait,
                self.orders.hook,
                log,
                poll_interval=self.options.poll_interval,
                model=each.model,
                context=self.orders.context,
                trace=shot_place(self.trace, each.name),
                shot=each.name,
                began_at=None if each.deadline is None else each.deadline - self.options.timeout,
            )
            request = worker_wait.poll()
        except KlingError as error:
            self._has_failed(each, error)
            return
        if request is not None:
            self._has_clip(each, request.clip().to_json())

    def _ready(self) -> list[ShotProgress]:
        """Return the takes that may be submitted now or later: those whose start frame is there.

        If nothing more is bought, these are the takes whose request may be in the queue.
        """
        ready = [each for each in self.progress.of_phase(Phase.READY) if self._start_is_there(each)]
        return [each for each in ready if self._may_have_bought(each)] if self._gave_up else ready

    def _may_have_bought(self, each: ShotProgress) -> bool:
        """Whether a POST of this try may have arrived, or an earlier try may have sent one."""
        return each.in_doubt is not None or (each.until is None and not self.orders.tries.is_first)

    def _due(self) -> list[ShotProgress]:
        """Return the takes to submit now, as many as may be in the queue at a time."""
        now = time.time()
        free = self.max_in_flight - sum(each.in_flight for each in self.progress.takes.values())
        due = [each for each in self._ready() if each.later_at is None or each.later_at <= now]
        again = [each for each in due if each.in_flight]
        return [*again, *[each for each in due if not each.in_flight][: max(0, free)]]

    def _start_is_there(self, each: ShotProgress) -> bool:
        shot = self.shots.get(each.shot)
        return shot is None or shot.continues is None or self._last_frame(shot) is not None

    def _before(self, shot: Shot) -> ShotProgress | None:
        """Return the first take of the shot that a shot continues."""
        takes = [each for each in self.progress.takes.values() if each.shot == shot.continues]
        return takes[0] if takes else None

    def _last_frame(self, shot: Shot) -> str | None:
        before = self._before(shot)
        return None if before is None or before.landed is None else before.landed.get("last_frame_uri")

    def _fail_what_hangs_on_failed(self) -> None:
        """Fail each take that continues a shot without a clip, and all that hangs on it."""
        found = True
        while found:
            found = False
            for each in self.progress.of_phase(Phase.READY):
                if (error := self._missing(each)) is not None:
                    self._fail(each, error)
                    found = True

    def _missing(self, each: ShotProgress) -> InvalidArgument | None:
        """Return why a take can't begin in this try; None if it can, or will."""
        shot = self.shots.get(each.shot)
        if shot is None:
            what = "The shot is not in the storyboard any more."
            return InvalidArgument(what, money=Money.IN_LEDGER, todo="Put it back to have its clip.")
        if shot.continues is None:
            return None
        before = self._before(shot)
        return _link_is_missing(shot) if before is None or before.phase is Phase.FAILED else None

    def _submit(self, each: ShotProgress) -> None:
        """Submit a take, or find what it has bought; if nothing more is bought, only find."""
        buys = not self._gave_up
        if not buys and not self._may_have_bought(each):
            return
        shot = self.shots[each.shot]
        if shot.continues is not None:
            shot = replace(shot, frame=self._last_frame(shot))
        if each.until is None:
            each.until = round(time.time() + self.options.submit_timeout)
        try:
            submitted = self.orders.submit(each, shot, buys=buys, trace=shot_place(self.trace, each.name))
        except NothingIsBought:
            each.in_doubt = each.later_at = None
            return
        except ShotPaused as pause:
            each.later_at, each.in_doubt = time.time() + pause.seconds, pause.in_doubt
            return
        except KlingError as error:
            self._warn(each, error)
            self._fail(each, error)
            return
        each.phase, each.request_id, each.earlier = Phase.WAITING, submitted.request_id, submitted.earlier
        each.deadline = round(time.time() + self.options.timeout)
        each.in_doubt = each.later_at = None
        if not submitted.fresh:
            self.look(each)

    def _land(self, each: ShotProgress) -> None:
        """Land a take's clip, and record its last frame if a shot continues it."""
        self.orders.stop.check()
        try:
            shot, under = self.shots.get(each.shot), shot_place(self.trace, each.name)
            each.landed = self.store.land(each.clip or {}, each.name, shot, trace=under)
            if each.take == 1 and any(shot.continues == each.shot for shot in self.shots.values()):
                each.landed["last_frame_uri"] = self.store.record_last_frame(each.name, each.landed)
        except KlingError as error:
            self._warn(each, error)
            each.landed = None
            self._fail(each, error)
            return
        each.phase, each.clip, each.deadline = Phase.LANDED, None, None
        trace_end(self.trace, each, submit_timeout=self.options.submit_timeout)
        done = len(self.progress.of_phase(Phase.LANDED))
        self.log.info(
            "Shot %s has landed at %s (%d of %d).",
            each.name,
            each.landed["uri"],
            done,
            len(self.progress.takes),
        )

    def _has_clip(self, each: ShotProgress, clip: Mapping[str, Any]) -> None:
        from kling_airflow.task.clip_fields import completed

        asked: dict[str, Any] = {"gmi_conn_id": self.options.gmi_conn_id, "label": each.name}
        if (shot := self.shots.get(each.shot)) is not None:
            options = shot.options
            asked |= {"duration": options.duration, "sound": options.sound, "cost_usd": options.price_usd}
        each.clip = completed(clip, asked, lambda: self._catalog_price(shot), self.log)
        each.phase, each.cost_usd = Phase.FINISHED, each.clip["cost_usd"]

    def _catalog_price(self, shot: Shot | None) -> float | None:
        from kling_airflow.task.price_limit import catalog_price_usd

        if shot is None:
            return None
        client = self.orders.hook.get_conn()
        return catalog_price_usd(client, shot.model, shot.options.to_json(), self.log)

    def _has_failed(self, each: ShotProgress, error: KlingError) -> None:
        """Let a failed generation be submitted again, or fail the shot."""
        from kling_airflow.task.resubmission import raise_unless_resubmitted

        log = ShotLog(self.log, each.name)
        each.removed = each.removed or bool(self.shots and each.shot not in self.shots)
        if each.removed:
            log.warning("It is not in the storyboard any more, and is not submitted again.")
            self.orders.release_unbilled(each, error)
            self._warn(each, error)
            self._fail(each, error)
            return
        try:
            raise_unless_resubmitted(error, each.earlier, self.options, self.orders.hook.get_conn, log)
        except KlingError as final:
            self.orders.release_unbilled(each, final)
            self._warn(each, final)
            self._fail(each, final)
            return
        each.phase, each.request_id, each.deadline = Phase.READY, None, None
        each.earlier += 1
        each.later_at = time.time() + self.options.resubmit_delay
        each.until = each.later_at + self.options.submit_timeout

    def _fail(self, each: ShotProgress, error: KlingError) -> None:
        each.fail(error)
        trace_end(self.trace, each, submit_timeout=self.options.submit_timeout)

    def _warn(self, each: ShotProgress, error: KlingError) -> None:
        self.log.warning("Shot %s has failed: %s", each.name, error)


def _link_is_missing(shot: Shot) -> InvalidArgument:
    return InvalidArgument(
        f"Shot {shot.name} continues shot {shot.continues}, which has no clip in this try.",
        money=Money.IN_LEDGER,
        todo=f"Put right what failed shot {shot.continues}, then clear the task.",
    )
