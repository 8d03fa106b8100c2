"""A task's submission: it opens the ledger, looks for what earlier tries submitted, and submits once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidArgument, MediaError, Money, UnresolvedSubmission
from kling_airflow.hooks.budgets import budgets_of
from kling_airflow.hooks.ledger import configured_late_arrival_margin, ledger_of
from kling_airflow.submission.order import OnChanged, OnUnresolved, SubmitLater
from kling_airflow.submission.submit import Submitter
from kling_airflow.task.cleared import lost_memory
from kling_airflow.task_instance.key import task_key

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.hooks.tracing import Span
    from kling_airflow.submission.budget import Budget
    from kling_airflow.submission.order import Log, Order, Submitted
    from kling_airflow.task.options import GenerationOptions
    from kling_airflow.task.stop_flag import StopFlag
    from kling_airflow.task.tries import Tries


def begin(
    context: Mapping[str, Any], options: GenerationOptions, tries: Tries, shot: str | None = None
) -> None:
    """Note in the ledger that the task has begun, before anything that can fail.

    A later try, of a run that a user has cleared, then knows whether the ledger was discarded.

    :param shot: name and take of a shot; None in a task that buys one clip.
    """
    key = task_key(context["ti"], context.get("loop"), shot)
    ledger = ledger_of(context, key, durable=options.durable, ledger=options.ledger or None)
    ledger.begin(complete=not tries.may_have_lost_memory)


def open_submitter(
    context: Mapping[str, Any],
    client: GMIClient,
    log: Log,
    options: GenerationOptions,
    tries: Tries,
    *,
    until: float,
    stop: StopFlag,
    shot: str | None = None,
    own_budget: Budget | None = None,
) -> Submitter:
    """Return a submitter over the ledger of the task.

    :param tries: which try this is; a try after the first searches the queue if its ledger was discarded.
    :param until: until when to keep trying while the queue says "not now", in Unix seconds.
    :param stop: ends the submission when the task is told to end.
    :param shot: name and take of a shot; None in a task that buys one clip.
    :param own_budget: the task's own budget, besides those of ``[kling] budgets``; None if it has none.
    """
    key = task_key(context["ti"], context.get("loop"), shot)
    return Submitter(
        client,
        ledger_of(context, key, durable=options.durable, ledger=options.ledger or None),
        log,
        until=until,
        grace=options.reconcile_grace,
        on_unresolved=OnUnresolved.read(options.on_unresolved),
        late_arrival_margin=configured_late_arrival_margin(),
        lost_memory=lost_memory(
            context, key, tries, options.on_clear, log, queue_url=client.protocol.base_url
        )
        if options.durable
        else None,
        sleep=stop.sleep,
        budgets=budgets_of(context, options.gmi_conn_id, options.ledger, own=own_budget),
    )


def submit(
    submitter: Submitter,
    make_order: Callable[[], Order],
    options: GenerationOptions,
    tries: Tries,
    log: Log,
    *,
    stop: StopFlag,
    earlier: int,
    in_doubt: Sequence[Any] | None,
    pause: Callable[[float, list[Any]], None],
    span: Span,
) -> Submitted:
    """Return the order's request: the one it has already, the one to adopt, or a new one.

    :param make_order: checks the arguments and returns what is asked for.
    :param stop: checked once more after the frames were delivered, before anything is sent.
    :param earlier: how many requests of the order have failed before, as far as this try knows.
    :param in_doubt: fingerprint and take of the order that this try deferred on; its POST may have arrived.
    :param pause: waits so many seconds on the worker, or defers with fingerprint and take of this order.
    :param span: is told what is asked for, and what came of it.
    """
    with naming_earlier_submissions(submitter):
        order = _stoppable(make_order(), stop)
    span.set(model=order.model, take=order.take, price_usd=order.price_usd)
    # A try that has seen the adopted request fail does not adopt that request again.
    adopt = None if earlier else options.adopt_request_id
    paused_on = None if in_doubt is None else (str(in_doubt[0]), int(in_doubt[1]))
    on_changed = on_changed_order(options, tries)
    while True:
        try:
            if adopt:
                allowed = options.adopt_mismatch == "allow"
                found = submitter.adopt(order, adopt.strip(), mismatch_allowed=allowed, in_doubt=paused_on)
            else:
                found = submitter.submit(order, on_changed=on_changed, in_doubt=paused_on)
            found = replace(found, earlier=max(found.earlier, earlier))
            tell(span, found, adopted=bool(adopt))
            return found
        except SubmitLater as later:
            log.info("%s", later)
            pause(later.seconds, [order.fingerprint, order.take])


def tell(span: Span, found: Submitted, *, adopted: bool = False) -> None:
    """Tell a span which request an order has."""
    state = "bought" if found.fresh else "adopted" if adopted else "found"
    span.set(request_id=found.request_id, order_state=state, earlier=found.earlier)


def generation_of(options: GenerationOptions, tries: Tries) -> int:
    """Return what makes the order of a cleared task another order: 0 if a clear keeps what was bought."""
    return tries.generation if options.on_clear == "buy" else 0


def on_changed_order(options: GenerationOptions, tries: Tries) -> OnChanged:
    """Return what follows if this try asks for something else than an earlier one.

    ``reuse`` is about automatic retries, in which no user has asked for anything: a template that tells the
    time, or reads a changed variable, buys nothing there. A first try, and the first after a clear, submit.
    ``fail`` does not refuse what ``on_clear="buy"`` asks for.
    """
    if options.on_changed_request == "reuse":
        return OnChanged.REUSE if tries.is_retry else OnChanged.SUBMIT
    if options.on_changed_request == "fail" and generation_of(options, tries):
        return OnChanged.REUSE if tries.is_retry else OnChanged.SUBMIT
    return OnChanged.read(options.on_changed_request)


def _stoppable(order: Order, stop: StopFlag) -> Order:
    """Return an order that is not sent if the task was told to end while its frames were delivered."""

    def payload(values: Mapping[str, str]) -> Mapping[str, Any]:
        stop.check()
        return order.payload(values)

    return replace(order, payload=payload)


@contextmanager
def naming_earlier_submissions(submitter: Submitter) -> Iterator[None]:
    """Name what this task instance has submitted before if its arguments are refused now.

    A missing frame, or a wrong option, must not read as "No money was spent" in a retry.
    """
    try:
        yield
    except (InvalidArgument, MediaError) as error:
        live = submitter.bought_before()
        if not live:
            raise
        ids = ", ".join(record.request_id or "a request whose id was lost" for record in live)
        raise UnresolvedSubmission(
            f"{error.what} And this task has submitted before: {ids}.",
            money=Money.HELD,
            todo="Correct what the message names, then clear the task: it finds that request again.",
            request_id=live[-1].request_id,
        ) from error
