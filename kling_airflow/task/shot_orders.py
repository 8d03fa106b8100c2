"""Buys the clips of a storyboard: one order, one record and one search for each take of each shot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import KlingError, Money
from kling_airflow.submission.order import OnChanged
from kling_airflow.submission.record import State
from kling_airflow.task.submission import (
    begin,
    generation_of,
    on_changed_order,
    open_submitter,
    submit,
    tell,
)

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.hooks.gmi import GMICloudHook
    from kling_airflow.hooks.tracing import Span
    from kling_airflow.storyboard.shot import Shot
    from kling_airflow.submission.budget import Budget
    from kling_airflow.submission.order import DeliveredFrames, Log, Order, Submitted
    from kling_airflow.submission.record import SubmissionRecord
    from kling_airflow.submission.submit import Submitter
    from kling_airflow.submission.task_key import TaskKey
    from kling_airflow.task.options import GenerationOptions
    from kling_airflow.task.shot_frames import ShotFrames
    from kling_airflow.task.shot_landing import ClipStore
    from kling_airflow.task.shot_progress import ShotProgress
    from kling_airflow.task.stop_flag import StopFlag
    from kling_airflow.task.tries import Tries


class ShotPaused(Exception):
    """Nothing can be done now for a shot; it is submitted again later.

    :param seconds: how long it waits.
    :param in_doubt: fingerprint and take of the order, whose POST may have arrived.
    """

    def __init__(self, seconds: float, in_doubt: list[Any]) -> None:
        self.seconds, self.in_doubt = seconds, in_doubt
        super().__init__(f"It is submitted again in {seconds:.0f} s.")


class NothingIsBought(Exception):
    """A shot has no request, and nothing more is bought for this storyboard."""


class ShotLog:
    """A task's log whose lines begin with a shot's name; the shots of a task write at the same time.

    :param log: the task's log.
    :param name: the shot's name.
    """

    def __init__(self, log: Log, name: str) -> None:
        self.log, self.name = log, name

    def info(self, message: str, /, *args: Any) -> None:
        """Log a step that went well."""
        self.log.info("Shot %s: %s", self.name, message % args if args else message)

    def warning(self, message: str, /, *args: Any) -> None:
        """Log a fault that was repaired."""
        self.log.warning("Shot %s: %s", self.name, message % args if args else message)

    def error(self, message: str, /, *args: Any) -> None:
        """Log what a person should look at."""
        self.log.error("Shot %s: %s", self.name, message % args if args else message)


@dataclass(frozen=True)
class ShotOrders:
    """What all shots of a storyboard are ordered with.

    :param context: the task's context.
    :param hook: the queue's connection.
    :param log: the task's log.
    :param options: how the task submits and waits.
    :param tries: which try this is.
    :param stop: set when the task is told to end.
    :param frames: reads the frames and makes them fit.
    :param store: where the last frames of shots are, on which others begin.
    :param max_cost_usd: the limit of one clip; None for none.
    :param adopt: request ids to adopt, by the name of the take.
    :param own_budget: the limit of the whole storyboard; None for none.
    """

    context: Mapping[str, Any]
    hook: GMICloudHook
    log: Log
    options: GenerationOptions
    tries: Tries
    stop: StopFlag
    frames: ShotFrames
    store: ClipStore
    max_cost_usd: float | str | None = None
    adopt: Mapping[str, str] = field(default_factory=dict)
    own_budget: Budget | None = None

    def submit(
        self, progress: ShotProgress, shot: Shot, *, buys: bool = True, trace: str | None = None
    ) -> Submitted:
        """Return the take's request: the one that it has already, the one to adopt, or a new one.

        It follows the same rules as a task that buys one clip. Several shots may do this at the same time.

        :param shot: what is asked; its start frame is there.
        :param buys: whether a new request may be made.
        :param trace: the place of the take's span; None if tracing is off.
        :raises ShotPaused: if nothing can be done now.
        :raises NothingIsBought: if it has no request, and none may be made.
        :raises DestinationTaken: if it would buy a clip whose place is taken.
        :raises Stopped: if the task was told to end.
        :raises KlingError: as :meth:`kling_airflow.submission.submit.Submitter.submit` does.
        """
        from kling_airflow.hooks.span_names import SUBMIT
        from kling_airflow.hooks.tracing import span

        pauses = (ShotPaused, NothingIsBought)
        known: dict[str, Any] = {
            "connection": self.options.gmi_conn_id,
            "shot": progress.name,
            "take": progress.take,
        }
        with span(SUBMIT, self.context, under=trace, pauses=pauses, **known) as step:
            return self._submit(progress, shot, step, buys=buys)

    def _submit(self, progress: ShotProgress, shot: Shot, step: Span, *, buys: bool) -> Submitted:
        log = ShotLog(self.log, progress.name)
        options = replace(self.options, adopt_request_id=self.adopt.get(progress.name))
        self.stop.check()
        begin(self.context, options, self.tries, progress.key)
        client = self.hook.get_conn()
        submitter = open_submitter(
            self.context,
            client,
            log,
            options,
            self.tries,
            until=progress.until or 0.0,
            stop=self.stop,
            shot=progress.key,
            own_budget=self.own_budget,
        )
        if progress.in_doubt is None and not progress.earlier:
            again = self._again(submitter, options)
            if again is not None:
                tell(step, again)
                return again
        return submit(
            submitter,
            lambda: self._guarded(self._order(client, log, progress, shot), progress, buys=buys),
            options,
            self.tries,
            log,
            stop=self.stop,
            earlier=progress.earlier,
            in_doubt=progress.in_doubt,
            pause=_paused,
            span=step,
        )

    def _again(self, submitter: Submitter, options: GenerationOptions) -> Submitted | None:
        """Return, in an automatic retry, the only request that the take has; else None.

        Such a try buys nothing else for the take, whatever the storyboard asks now. So no frame is read and
        made: a retry of a long storyboard would do that for each shot that has landed. What has failed for
        good is not submitted again as it was.
        """
        if options.adopt_request_id or on_changed_order(options, self.tries) is not OnChanged.REUSE:
            return None
        submitter.recovery.keeps_failed = options.resubmit_on != "any"
        try:
            records = submitter.ledger_access.ledger.records()
        except KlingError:
            return None  # the order's own record decides
        if len(records) != 1 or records[0].state is not State.SUBMITTED:
            return None
        return submitter.recovery.reattach(records[0], quiet=True)

    def release_unbilled(self, progress: ShotProgress, error: KlingError) -> None:
        """Give back what was claimed in budgets for a take's request that has failed."""
        from kling_airflow.task.unbilled import release_unbilled

        log = ShotLog(self.log, progress.name)
        release_unbilled(
            self.context, self.options, error, log, shot=progress.key, own_budget=self.own_budget
        )

    def claims(self, progress: ShotProgress) -> dict[str, int]:
        """Return what the take has claimed in earlier tries: its requests that may be paid for, by claim.

        :raises KlingError: if its records can't be read.
        """
        from kling_airflow.submission.budget import claim_name, microusd

        key, records = self._bought(progress)
        return {claim_name(key, record): microusd(record.price_usd or 0.0) for record in records}

    def bought(self, progress: ShotProgress) -> list[SubmissionRecord]:
        """Return the records of the take whose requests may be paid for.

        :raises KlingError: if its records can't be read.
        """
        return self._bought(progress)[1]

    def _bought(self, progress: ShotProgress) -> tuple[TaskKey, list[SubmissionRecord]]:
        from kling_airflow.hooks.ledger import ledger_of
        from kling_airflow.task_instance.key import task_key

        key = task_key(self.context["ti"], self.context.get("loop"), progress.key)
        options = self.options
        ledger = ledger_of(self.context, key, durable=options.durable, ledger=options.ledger or None)
        return key, [record for record in ledger.records() if record.may_have_bought]

    def _guarded(self, order: Order, progress: ShotProgress, *, buys: bool) -> Order:
        """Return an order that is refused, before its frames are delivered, if its clip could not land."""

        def deliver(order_id: str, marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
            if not buys:
                raise NothingIsBought(progress.name)
            try:
                self.store.refuse_taken(progress.name)
            except KlingError as error:
                money = Money.UNSPENT if self.tries.is_first else Money.IN_LEDGER
                raise error.with_money(money) from error.__cause__
            return order.deliver(order_id, marker, addresses)

        return replace(order, deliver=deliver)

    def _order(self, client: GMIClient, log: Log, progress: ShotProgress, shot: Shot) -> Order:
        from kling_airflow.task.frame_order import frames_order
        from kling_airflow.task.payload_order import payload_order

        generation = generation_of(self.options, self.tries)
        if shot.options.spec.start_frame is None:
            return payload_order(
                client,
                shot.model,
                shot.options.to_json(),
                take=progress.take,
                max_cost_usd=self.max_cost_usd,
                check_payload=False,
                words=str(shot.options),
                log=log,
                generation=generation,
            )
        frames, identities = self.frames.read(shot, log, self.store)
        return frames_order(
            client,
            shot.options,
            frames,
            self.frames.delivery,
            identities=identities,
            take=progress.take,
            max_cost_usd=self.max_cost_usd,
            words=str(shot.options),
            log=log,
            generation=generation,
        )


def _paused(seconds: float, in_doubt: list[Any]) -> None:
    raise ShotPaused(seconds, in_doubt)
