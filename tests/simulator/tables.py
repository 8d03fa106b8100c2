"""The tables of `docs/simulator.md`, made from the code.

`python -m tests.simulator.tables` writes the tables; a test checks that they are up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from kling_airflow.cli.simulator import HELP
from kling_airflow.simulator.faults.table import FAULT_TYPES
from kling_airflow.simulator.queue.calls import ALL, WITH_KEY
from kling_airflow.simulator.settings import Settings
from tests.simulator.conformance.rows import table as rows

EVERY = {(): "every connection", WITH_KEY: "every call with a key", ALL: "every call"}
DOCS = Path(__file__).parents[2] / "docs" / "simulator.md"


def faults() -> str:
    """Every fault, where it strikes and its options."""
    lines = ["| name | strikes | in force | what happens | options |", "| --- | --- | --- | --- | --- |"]
    for fault_type in FAULT_TYPES.values():
        usual = ", ".join(f"`{call}`" for call in fault_type.usual_calls)
        calls = EVERY.get(fault_type.usual_calls, usual)
        lasts = "until removed" if fault_type.lasting else "once"
        options = ", ".join(f"`{name}={value!r}`" for name, value in fault_type.defaults.items())
        lines.append(f"| `{fault_type.name}` | {calls} | {lasts} | {fault_type.about} | {options} |")
    return "\n".join(lines) + "\n"


def settings() -> str:
    """Every setting with its default."""
    lines = ["| setting | default | what it does |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        if name in HELP:
            about = HELP[name].split(" (default")[0].rstrip(":")
            values = ", ".join(f"`{value}`" for value in get_args(field.annotation) if isinstance(value, str))
            about = f"{about[0].upper()}{about[1:]}" + (f": {values}" if values else "")
            lines.append(f"| `{name}` | `{field.default}` | {about}. |")
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    """The docs, with each table between its marks replaced."""
    for name, made in (("rows", rows()), ("faults", faults()), ("settings", settings())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{made}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    DOCS.write_text(with_tables(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
