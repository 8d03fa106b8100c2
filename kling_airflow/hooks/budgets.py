"""``[kling] budgets``: what may be spent, by day or month, DAG, tag and connection."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from kling_airflow.arguments import amount, text_or_none
from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from kling_airflow.submission.budget import Budget, Budgets

SCOPES: Final = ("dag", "tag", "connection")
PERIODS: Final = {"day": "%Y-%m-%d", "month": "%Y-%m", "ever": "ever"}
"""The form of a period's name, UTC."""
EACH: Final = "*"
"""The value of a scope that gives each DAG, tag or connection a budget of its own."""


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """One entry of the setting.

    :param usd: the limit, in US dollars.
    :param per: ``day``, ``month`` or ``ever``.
    :param scope: the DAG, tag and connection that it is for, by ``dag``, ``tag``, ``connection``.
    """

    usd: float
    per: str
    scope: Mapping[str, str]

    @classmethod
    def read(cls, value: object, number: int) -> Self:
        """Read an entry.

        :raises InvalidArgument: naming the entry and what it may be.
        """
        field = f"[kling] budgets, entry {number}"
        if not isinstance(value, Mapping):
            raise InvalidArgument(f"`{field}` is {value!r}; it must be an object with `usd`.")
        unknown = sorted(set(value) - {"usd", "per", *SCOPES})
        if unknown:
            raise InvalidArgument(f"`{field}` has {unknown[0]!r}; it may have usd, per, {', '.join(SCOPES)}.")
        per = value.get("per", "day")
        if per not in PERIODS:
            raise InvalidArgument(f"`{field}` has per={per!r}; it must be one of {', '.join(PERIODS)}.")
        scope = {name: value[name] for name in SCOPES if name in value}
        for name, text in scope.items():
            if not isinstance(text, str) or not text:
                raise InvalidArgument(f"`{field}` has {name}={text!r}; it must be a text, or `*` for each.")
        return cls(amount(f"{field}, usd", value.get("usd")), per, scope)

    def scopes(self, context: Mapping[str, Any], gmi_conn_id: str) -> Iterator[dict[str, str]]:
        """Yield the scopes of the rule that a task falls into; one for each tag of its DAG if there are many.

        :param context: the task's context.
        :param gmi_conn_id: the queue's connection.
        """
        dag = context.get("dag")
        actual = {
            "dag": [str(context["ti"].dag_id)],
            "tag": sorted(map(str, getattr(dag, "tags", None) or ())),
            "connection": [gmi_conn_id],
        }
        found: list[dict[str, str]] = [{}]
        for name, wanted in self.scope.items():
            values = [value for value in actual[name] if wanted in (EACH, value)]
            found = [{**scope, name: value} for scope in found for value in values]
        yield from found

    def words(self, scope: Mapping[str, str]) -> str:
        """Return the budget for people."""
        per = {"day": " a day (UTC)", "month": " a month (UTC)", "ever": ""}[self.per]
        of = "".join(f", {name} {value}" for name, value in scope.items())
        return f"${self.usd:,.2f}{per}{of} ([kling] budgets)"

    def folder(self, scope: Mapping[str, str], now: float) -> str:
        """Return the folder of the claims: another limit has the same, another scope or period has not."""
        from kling_airflow.submission.task_key import slug

        name = json.dumps([self.per, sorted(scope.items())])
        readable = slug("-".join([self.per, *scope.values()]))
        period = time.strftime(PERIODS[self.per], time.gmtime(now))
        return f"budgets/{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}/{period}"


def configured_rules() -> tuple[BudgetRule, ...]:
    """Return ``[kling] budgets``; none if it isn't set.

    :raises InvalidArgument: if it is no JSON list of budgets.
    """
    from kling_airflow.airflow_compat import conf

    text = text_or_none(conf.get("kling", "budgets", fallback=None))
    if text is None:
        return ()
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"`[kling] budgets` is no JSON: {error}.") from error
    if not isinstance(values, list):
        raise InvalidArgument('`[kling] budgets` must be a list, such as [{"usd": 100, "per": "day"}].')
    return tuple(BudgetRule.read(value, number) for number, value in enumerate(values, 1))


def budgets_of(
    context: Mapping[str, Any], gmi_conn_id: str, ledger: str | None, *, own: Budget | None = None
) -> Budgets:
    """Return all budgets that a task's orders must fit.

    :param context: the task's context.
    :param gmi_conn_id: the queue's connection.
    :param ledger: the operator's argument; None for ``[kling] ledger``.
    :param own: the task's own budget; None if it has none.
    :raises InvalidArgument: if the setting can't be read, or there is no ledger in an object store.
    """
    from kling_airflow.submission.budget import Budgets

    stored = _stored(context, gmi_conn_id, ledger)
    return Budgets([*([own] if own is not None else []), *stored])


def _stored(context: Mapping[str, Any], gmi_conn_id: str, ledger: str | None) -> list[Budget]:
    rules = configured_rules()
    if not rules:
        return []
    from kling_airflow.hooks.ledger import configured_deployment, configured_ledger, open_ledger_path
    from kling_airflow.submission.budget import Budget, StoredClaims
    from kling_airflow.submission.exclusive_store import open_store
    from kling_airflow.submission.object_store import prove

    uri, deployment = text_or_none(ledger) or configured_ledger(), configured_deployment()
    if uri is None or deployment is None:
        raise InvalidArgument(
            "`[kling] budgets` is set, and there is no ledger in an object store: tasks can't see what others"
            " have claimed.",
            todo="Set `[kling] ledger` and `[kling] deployment`, or remove `[kling] budgets`.",
        )
    store, now = open_store(open_ledger_path(uri)), time.time()
    prove(store, deployment)
    return [
        Budget(rule.words(scope), rule.usd, StoredClaims(store, f"{deployment}/{rule.folder(scope, now)}"))
        for rule in rules
        for scope in rule.scopes(context, gmi_conn_id)
    ]
