"""One list of metrics: what is sent, documented, drawn and alerted on is the same."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kling_airflow.hooks.metric_names import CALLS, METRICS, Metric
from kling_airflow.hooks.metrics import AirflowMetrics
from kling_airflow.polling import limited_calls

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yaml"))
NAMED = re.compile(r"airflow_kling_[a-z0-9_]*(?:\.\+)?")
LABELS = {"quantile", "__name__"}


class Sent:
    """A statistics backend that keeps each name with its kind."""

    def __init__(self) -> None:
        self.names: list[tuple[str, str]] = []

    def incr(self, stat: str, *_: Any) -> None:
        self.names.append((stat, "counter"))

    def gauge(self, stat: str, *_: Any) -> None:
        self.names.append((stat, "gauge"))

    def timing(self, stat: str, *_: Any) -> None:
        self.names.append((stat, "timer"))


def sent() -> list[tuple[str, str]]:
    """Every name that the class sends, each method called."""
    metrics, backend = AirflowMetrics(), Sent()
    vars(metrics)["_stats"] = backend
    metrics.in_flight(1)
    for kind in CALLS.parts["KIND"]:
        for outcome in CALLS.parts["OUTCOME"]:
            metrics.call(kind, outcome)
    for limited in (True, False):
        metrics.paused(1.0, limited=limited)
    metrics.noticed(1.0)
    metrics.generated("kling-v3-image-to-video", 5, 1.0)
    called = {"in_flight", "call", "paused", "noticed", "generated"}
    assert called == {name for name in vars(AirflowMetrics) if not name.startswith("_")}, (
        "call the new one here"
    )
    return backend.names


def metric_of(name: str) -> Metric | None:
    return next((each for each in METRICS if any(re.fullmatch(p, name) for p in each.patterns())), None)


def test_each_name_that_is_sent_is_in_the_list_with_its_kind() -> None:
    for name, kind in sent():
        metric = metric_of(name)
        assert metric is not None, name
        assert metric.kind == kind, name


def test_each_metric_of_the_list_is_sent() -> None:
    assert {metric.name for name, _ in sent() if (metric := metric_of(name))} == {
        each.name for each in METRICS
    }


def test_the_poller_knows_no_other_kind_and_no_other_outcome() -> None:
    tree = ast.parse(inspect.getsource(limited_calls))
    failure = next(
        n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "_record_failure"
    )
    returned = [node.value for node in ast.walk(failure) if isinstance(node, ast.Return) and node.value]
    outcomes = {c.value for value in returned for c in ast.walk(value) if isinstance(c, ast.Constant)} | {
        "ok"
    }
    assert outcomes == set(CALLS.parts["OUTCOME"])
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    kinds = {n.args[0].value for n in calls if n.func.attr == "_make" and isinstance(n.args[0], ast.Constant)}  # type: ignore[attr-defined]
    assert kinds == set(CALLS.parts["KIND"])


def test_the_docs_have_a_row_for_each_metric_and_no_other() -> None:
    page = (ROOT / "docs" / "waiting.md").read_text()
    rows = re.findall(r"^\| `(kling\.[^`]+)` \| (\w+) \| ([^|]*)\|", page, re.MULTILINE)
    assert {(name, kind) for name, kind, _ in rows} == {(each.full_name, each.kind) for each in METRICS}
    for name, _, says in rows:
        metric = next(each for each in METRICS if each.full_name == name)
        for part, values in metric.parts.items():
            assert part in name
            for value in values:
                assert f"`{value}`" in says, (name, value)


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of the dashboards and the rules, with its place."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield f"{path.name}: {rule['alert']}", rule["expr"]


def unknown(expression: str) -> list[str]:
    """Return the metrics in an expression that this package doesn't send, as statsd_exporter names them."""
    known: list[str] = []
    for metric in METRICS:
        for pattern in metric.patterns():
            name = f"airflow_{pattern}".replace(r"\.", "_").replace("[a-zA-Z0-9_-]+", ".+")
            known += [name, *(f"{name}{suffix}" for suffix in ("_sum", "_count") if metric.kind == "timer")]
    any_model = "airflow_kling_generation_duration_.+"
    known = [any_model if name == "airflow_kling_generation_duration_.+_.+" else name for name in known]
    return [name for name in NAMED.findall(expression) if name not in known]


def test_there_are_dashboards_and_rules() -> None:
    assert DASHBOARDS
    assert RULES
    assert len(list(expressions())) > 20


@pytest.mark.parametrize(("place", "expression"), list(expressions()))
def test_an_expression_asks_for_metrics_that_are_sent(place: str, expression: str) -> None:
    assert "airflow_kling_" in expression
    assert unknown(expression) == [], place
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing), place
    assert set(re.findall(r"(\w+)=~?\"", expression)) <= LABELS, place


def test_a_metric_that_was_renamed_is_found() -> None:
    assert unknown("sum(rate(airflow_kling_call_list_ok[5m]))") == ["airflow_kling_call_list_ok"]
    assert unknown("airflow_kling_in_flight") == ["airflow_kling_in_flight"]
    assert unknown("airflow_kling_detection_lag_count") == []
    assert unknown("airflow_kling_pauses_unreachable_sum") == ["airflow_kling_pauses_unreachable_sum"]


def test_each_metric_is_drawn() -> None:
    drawn = " ".join(expression for place, expression in expressions() if ".json" in place)
    for metric in METRICS:
        beginning = f"airflow_kling_{metric.name.partition('.')[0]}"
        assert beginning in drawn, metric.name


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_is_one(path: Path) -> None:
    board = json.loads(path.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    assert {"title", "uid", "schemaVersion", "templating", "time"} <= board.keys()
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_a_rule_names_a_page_of_the_runbook_that_exists(path: Path) -> None:
    for group in yaml.safe_load(path.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"\d+m", rule.get("for", "5m"))
            page, _, anchor = rule["annotations"]["runbook"].partition("#")
            text = (ROOT / page).read_text()
            headings = {
                re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
                for line in re.findall(r"^#+ ([^{\n]+)", text, re.MULTILINE)
            }
            assert not anchor or f"{{ #{anchor} }}" in text or anchor in headings, rule["alert"]


def test_names_with_other_characters_can_be_sent() -> None:
    from kling_airflow.hooks.metric_names import GENERATION_DURATION

    assert GENERATION_DURATION.of(MODEL="a model/of", SECONDS="5") == "kling.generation_duration.a_model_of.5"
    assert GENERATION_DURATION.of(MODEL="", SECONDS="5") == "kling.generation_duration.unknown.5"
