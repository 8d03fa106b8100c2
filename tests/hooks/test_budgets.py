"""``[kling] budgets``: which budgets a task falls under."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.budgets import BudgetRule, budgets_of, configured_rules
from tests.airflow_context import context


def configure(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setenv("AIRFLOW__KLING__BUDGETS", text)


def given(*tags: str) -> dict[str, Any]:
    return context() | {"dag": SimpleNamespace(tags=set(tags))}


@pytest.mark.parametrize(
    ("rule", "scopes"),
    [
        ({"usd": 1}, [{}]),
        ({"usd": 1, "dag": "dag"}, [{"dag": "dag"}]),
        ({"usd": 1, "dag": "other"}, []),
        ({"usd": 1, "dag": "*"}, [{"dag": "dag"}]),
        ({"usd": 1, "tag": "film"}, [{"tag": "film"}]),
        ({"usd": 1, "tag": "*"}, [{"tag": "film"}, {"tag": "spring"}]),
        ({"usd": 1, "tag": "autumn"}, []),
        ({"usd": 1, "connection": "gmi"}, [{"connection": "gmi"}]),
        ({"usd": 1, "connection": "other"}, []),
        ({"usd": 1, "dag": "dag", "tag": "film"}, [{"dag": "dag", "tag": "film"}]),
        ({"usd": 1, "dag": "dag", "tag": "autumn"}, []),
    ],
)
def test_what_a_task_falls_under(rule: dict[str, Any], scopes: list[dict[str, str]]) -> None:
    assert list(BudgetRule.read(rule, 1).scopes(given("spring", "film"), "gmi")) == scopes


def test_another_limit_keeps_the_claims_and_another_scope_or_period_has_its_own() -> None:
    def folder(at: float = 0.0, scope: dict[str, str] | None = None, **fields: Any) -> str:
        return BudgetRule.read({"usd": 1, **fields}, 1).folder(scope or {}, at)

    assert folder() == folder(usd=5) == folder(at=86_399)
    folders = [
        folder(),
        folder(at=86_400),
        folder(per="month"),
        folder(per="ever"),
        folder(scope={"dag": "a/b"}),
        folder(scope={"dag": "a_b"}),
        folder(scope={"tag": "a_b"}),
    ]
    assert len(set(folders)) == len(folders)
    assert folder(per="ever") == folder(per="ever", at=1e9)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "no JSON"),
        ({"usd": 1}, "must be a list"),
        ([3], "entry 1"),
        ([{"usd": 1}, {"limit": 1}], "entry 2.*'limit'"),
        ([{"per": "day"}], "usd"),
        ([{"usd": -1}], "0 or more"),
        ([{"usd": "much"}], "number"),
        ([{"usd": 1, "per": "week"}], "day, month, ever"),
        ([{"usd": 1, "dag": ""}], "dag=''"),
    ],
)
def test_a_setting_that_can_not_be_read(monkeypatch: pytest.MonkeyPatch, value: object, words: str) -> None:
    configure(monkeypatch, value)
    with pytest.raises(InvalidArgument, match=words):
        configured_rules()


def test_without_a_ledger_nothing_may_be_bought(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, [{"usd": 1}])
    with pytest.raises(InvalidArgument, match="no ledger in an object store"):
        budgets_of(given(), "gmi", None)


def test_the_claims_of_two_deployments_are_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configure(monkeypatch, [{"usd": 1, "per": "ever"}])
    for deployment in ("prod", "dev"):
        monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", deployment)
        (budget,) = budgets_of(given(), "gmi", tmp_path.as_uri()).budgets
        assert budget.claims.claim("o.0", 1_000_000, 1_000_000) is None


def test_no_setting_opens_nothing() -> None:
    assert budgets_of(given(), "gmi", "s3://no-such-bucket/ledger").budgets == []
