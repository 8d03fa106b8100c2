"""The runbook: every text of the package with its money and its advice, explained by people.

``python -m tests.docs.runbook_pages`` writes the pages anew. What a person has written below a heading stays.
"""

from __future__ import annotations

import re
from pathlib import Path

from kling_airflow import exceptions
from kling_airflow.airflow_compat import AirflowFailException
from tests.docs.error_texts import KINDS, Text, anchor_of, texts

FOLDER = Path(__file__).parents[2] / "docs" / "runbook"
PAGES: dict[str, tuple[str, ...]] = {
    "queue": (
        "Unauthorized", "InsufficientCredits", "NotFound", "Rejected", "WrongService", "NotAccepted",
        "AmbiguousSubmission", "Unreachable", "ResponseTooLarge", "GenerationFailed",
        "GenerationFailedForNow", "GenerationCancelled", "GenerationTimeout", "RequestSensorTimeout",
        "TaskStopped", "PollerCrashed", "GMIError",
    ),
    "submission": (
        "UnresolvedSubmission", "BudgetExceeded", "LedgerUnavailable", "UnreadableRecord", "Fenced",
        "LedgerError",
    ),
    "arguments": ("InvalidArgument", "InvalidStoryboard", "KlingError"),
    "media": (
        "InvalidFrame", "InvalidClip", "DownloadFailed", "DownloadRefused", "DestinationTaken",
        "StorageFailed", "CheckTakesOperator", "MediaError",
    ),
    "log": ("error", "warning"),
    "demo": ("DemoError",),
}  # fmt: skip
EXPLAINED = ("queue", "submission", "log", "demo")
"""Pages on which a person has explained each text, because money can be at stake."""
_HEADING = re.compile(r"^(##+) .* \{ #([\w-]+) \}$")


def made(name: str) -> str:
    """Return a page as it should be: headings and facts from the source, explanations as they are."""
    kept = explanations(name)
    parts = [kept[""]]
    for kind in PAGES[name]:
        parts += [f"## {_title(kind)} {{ #{kind.lower()} }}", kept.get(kind.lower(), ""), _retried(kind)]
        for anchor, text in entries(name):
            if text.kind == kind:
                parts += [f"### {_escaped(text.what)} {{ #{anchor} }}", kept.get(anchor, ""), _facts(text)]
    return "\n\n".join(part for part in parts if part) + "\n"


def entries(name: str) -> list[tuple[str, Text]]:
    """Return the texts of a page, each with an anchor of its own."""
    taken = {kind.lower() for kind in PAGES[name]}
    found = []
    for text in texts():
        if text.kind in PAGES[name]:
            found.append((anchor_of(text, taken), text))
            taken.add(found[-1][0])
    return found


def explanations(name: str) -> dict[str, str]:
    """Return what people have written on a page, by anchor; the page's beginning by the empty one."""
    found: dict[str, list[str]] = {"": []}
    anchor = ""
    for line in (FOLDER / f"{name}.md").read_text(encoding="utf-8").splitlines():
        if heading := _HEADING.match(line):
            anchor = heading[2]
        elif not line.startswith(("- **Money:** ", "- **Do:** ", "- **Airflow:** ")):
            found.setdefault(anchor, []).append(line)
    return {anchor: "\n".join(lines).strip() for anchor, lines in found.items()}


def index() -> str:
    """Return the first page of the runbook with its list of classes made anew."""
    lines = []
    for name, kinds in PAGES.items():
        for kind in kinds:
            if kind in KINDS:
                said = (getattr(exceptions, kind, KINDS[kind]).__doc__ or "").partition("\n")[0]
                at_once = "" if "retries the task" in _retried(kind) else " *Never retried.*"
                lines.append(f"- [`{kind}`]({name}.md#{kind.lower()}): {said}{at_once}")
    before, mark, rest = (FOLDER / "index.md").read_text(encoding="utf-8").partition("<!-- classes -->\n")
    return (
        before
        + mark
        + "\n"
        + "\n".join(lines)
        + "\n\n<!-- /classes -->"
        + rest.partition("<!-- /classes -->")[2]
    )


def anchors(page: str) -> list[str]:
    """Return the anchors of a page's headings."""
    return [heading[2] for line in page.splitlines() if (heading := _HEADING.match(line))]


def _title(kind: str) -> str:
    return {"error": "Errors in the log", "warning": "Warnings in the log"}.get(kind, f"`{kind}`")


def _retried(kind: str) -> str:
    if kind not in KINDS:
        return ""
    twin = getattr(exceptions, kind, KINDS[kind])
    if issubclass(twin, AirflowFailException):
        return "- **Airflow:** fails the task at once, whatever its `retries`."
    return "- **Airflow:** retries the task, if `retries` are left."


def _facts(text: Text) -> str:
    facts = [("Money", text.money), ("Do", text.todo)]
    return "\n".join(f"- **{name}:** {_joined(said)}" for name, said in facts if said)


def _joined(said: list[str]) -> str:
    plain = [" ".join(each.split()) for each in said]
    return " Or: ".join(_escaped(each if each.endswith((".", ":")) else f"{each}.") for each in plain if each)


def _escaped(text: str) -> str:
    """Return a text that Markdown shows as it is; code stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<\[{])", r"\\\1", part) for part in parts)


def write() -> None:
    """Write each page anew."""
    (FOLDER / "index.md").write_text(index(), encoding="utf-8")
    for name in PAGES:
        (FOLDER / f"{name}.md").write_text(made(name), encoding="utf-8")


if __name__ == "__main__":
    write()
