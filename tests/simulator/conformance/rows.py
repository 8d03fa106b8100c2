"""The rows of the wire contract, each with its standing and the test of the simulator.

doc = the vendor documents it, seen = two or more users observed it, once = one user observed it,
assumed = no user has recorded it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, TypeVar

F = TypeVar("F", bound="Callable[..., None]")
Standing = Literal["doc", "doc, seen", "seen", "once", "assumed"]
SECTIONS = ("endpoints", "uploads", "submit", "record", "errors", "payload", "models", "results", "limits")


@dataclass(frozen=True)
class Row:
    section: str
    text: str
    standing: Standing
    test: str


ROWS: list[Row] = []


def row(text: str, standing: Standing) -> Callable[[F], F]:
    """Mark a test as the test of a row of the contract."""

    def mark(test: F) -> F:
        section = test.__module__.rpartition("test_")[2]
        ROWS.append(Row(section, text, standing, test.__name__))
        return test

    return mark


def table() -> str:
    """The rows as the docs show them, in Markdown."""
    for section in SECTIONS:
        import_module(f"tests.simulator.conformance.test_{section}")
    ordered = sorted(ROWS, key=lambda row: SECTIONS.index(row.section))
    lines = ["| the contract says | standing | test |", "| --- | --- | --- |"]
    lines += [f"| {row.text} | {row.standing} | `{row.section}::{row.test}` |" for row in ordered]
    return "\n".join(lines) + "\n"
