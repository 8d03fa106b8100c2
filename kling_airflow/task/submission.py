"""A task's submission: it opens the ledger, looks for what earlier tries submitted, and submits once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidArgument, MediaError, Money, UnresolvedSubmission
from kling_airflow.hooks.ledger import ledger_of
from kling_airflow.submission.order import OnUnresolved
from kling_airflow.submission.submit import Submitter
from kling_airflow.task.changed_order import check_changed_order, check_order_in_doubt
from kling_airflow.task.key import task_key

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import Log, Order, Submitted
    from kling_airflow.task.options import GenerationOptions


def open_submitter(
    context: Mapping[str, Any],
    client: GMIClient,
    log: Log,
    options: GenerationOptions,
    *,
    until: float,
    sleep: Callable[[float], None],
) -> Submitter:
    """Return a submitter over the ledger of the task.

    :param until: until when to keep trying while the queue says "not now", in Unix seconds.
    :param sleep: how to wait; may raise to end the submission.
    """
    return Submitter(
        client,
        ledger_of(context, task_key(context["ti"]), durable=options.durable, ledger=options.ledger or None),
        log,
        until=until,
        grace=options.reconcile_grace,
        on_unresolved=OnUnresolved.read(options.on_unresolved),
        sleep=sleep,
    )


def submit(
    submitter: Submitter,
    make_order: Callable[[], Order],
    options: GenerationOptions,
    log: Log,
    *,
    earlier: int,
    in_doubt: Sequence[Any] | None,
    pause: Callable[[float, list[Any]], None],
) -> Submitted:
    """Return the order's request: the one it has already, the one to adopt, or a new one.

    :param make_order: checks the arguments and returns what is asked for.
    :param earlier: how many requests of the order have failed before, as far as this try knows.
    :param in_doubt: fingerprint and take of the order that this try deferred on; its POST may have arrived.
    :param pause: waits so many seconds on the worker, or defers with fingerprint and take of this order.
    """
    from kling_airflow.submission.order import SubmitLater

    with naming_earlier_submissions(submitter):
        order = make_order()
    # A try that has seen the adopted request fail does not adopt that request again.
    adopt = None if earlier else options.adopt_request_id
    check_order_in_doubt(submitter, order, in_doubt)
    if adopt is None:
        check_changed_order(submitter, order, options.on_changed_request, log)
    while True:
        try:
            found = submitter.adopt(order, adopt.strip()) if adopt else submitter.submit(order)
            return replace(found, earlier=max(found.earlier, earlier))
        except SubmitLater as later:
            log.info("%s", later)
            pause(later.seconds, [order.fingerprint, order.take])


@contextmanager
def naming_earlier_submissions(submitter: Submitter) -> Iterator[None]:
    """Name what this task instance has submitted before if its arguments are refused now.

    A missing frame, or a wrong option, must not read as "No money was spent" in a retry.
    """
    try:
        yield
    except (InvalidArgument, MediaError) as error:
        live = [record for record in submitter.remembered() if record.may_have_bought]
        if not live:
            raise
        ids = ", ".join(record.request_id or "a request whose id was lost" for record in live)
        raise UnresolvedSubmission(
            f"{error.what} And this task has submitted before: {ids}.",
            money=Money.HELD,
            todo="Correct what the message names, then clear the task: it finds that request again.",
            request_id=live[-1].request_id,
        ) from error
