"""The runbook has an entry for each text that the package can fail with, and for nothing else."""

from __future__ import annotations

import re

import pytest

from kling_airflow import errors, exceptions
from kling_airflow.errors import KlingError, Money
from kling_airflow.gmi.call import CallKind
from kling_airflow.gmi.failures import refusal
from kling_airflow.gmi.protocol import Protocol
from kling_airflow.gmi.response import Response
from tests.docs.error_texts import GAP, KINDS, Text, relays, texts
from tests.docs.runbook_pages import EXPLAINED, FOLDER, PAGES, anchors, entries, explanations, index, made

# Errors whose text is another one's, or is made elsewhere: their class, and what they quote, has the entry.
RELAYED = {
    "arguments.py: f'`{field}` {problem}.'",
    "decorators/function_task.py: f'`{self.python_callable.__name__}` {text}'",
    "media/clip_check.py: ' '.join(mismatches)",  # the verdicts have entries
    "media/clip_download.py: why",
    "media/download.py: f'{shown}: {cut} ({transfer.progress()}, {interruptions} attempts).'",
    "media/http_get.py: f'{plain_url(url)}: {reason(error)}.'",
    "media/http_get.py: f'{plain_url(url)}: {said}.'",
    "operators/image_to_video.py: f\"{spec.refusal('image_tail')}.\"",
    "payloads.py: '; '.join(found) + '.'",
    "payloads.py: '; '.join(problems) + '.'",
    "sensors/request.py: error.what",
    "storyboard/addresses.py: f'`{field}` {problem}.'",
    "storyboard/board.py: file",  # each line of the error has an entry
    "submission/record.py: f'{type(error).__name__}: {error}'",
    "task/board_frames.py: board.file",
    "task/omni_literals.py: f\"{'; '.join(problems)}.\"",
    "task/resubmission.py: error.what",
    "triggers/poller_connection.py: error.what",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_source_says(name: str) -> None:
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert made(name) == page, "a text has changed; run: python -m tests.docs.runbook_pages"


@pytest.mark.parametrize("name", PAGES)
def test_each_text_has_an_anchor_and_each_anchor_a_text(name: str) -> None:
    found = anchors((FOLDER / f"{name}.md").read_text(encoding="utf-8"))
    wanted = [anchor for anchor, _ in entries(name)] + [kind.lower() for kind in PAGES[name]]
    assert sorted(found) == sorted(wanted)
    assert len(set(found)) == len(found)


def test_each_kind_of_text_is_on_one_page() -> None:
    on_pages = [kind for kinds in PAGES.values() for kind in kinds]
    assert len(set(on_pages)) == len(on_pages)
    public = {kind for kind in KINDS if not kind.startswith("_")}
    assert {text.kind for text in texts()} | public == set(on_pages)


def test_every_class_of_both_families_is_there() -> None:
    for home in (errors, exceptions):
        family = {
            name
            for name, kind in vars(home).items()
            if isinstance(kind, type) and issubclass(kind, KlingError)
        }
        assert {name for name in family if not name.startswith("_")} <= {
            kind for kinds in PAGES.values() for kind in kinds
        }


@pytest.mark.parametrize("name", PAGES)
def test_a_person_has_explained_each_class(name: str) -> None:
    written = explanations(name)
    missing = [kind for kind in PAGES[name] if not written.get(kind.lower())]
    assert not missing


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_person_has_explained_each_text_that_is_about_money(name: str) -> None:
    written = explanations(name)
    missing = [f"{anchor}: {text.what}" for anchor, text in entries(name) if not written.get(anchor)]
    assert not missing, f"write a sentence below the heading in docs/runbook/{name}.md"


def test_no_explanation_is_of_a_text_that_is_gone() -> None:
    for name in PAGES:
        known = {anchor for anchor, _ in entries(name)} | {kind.lower() for kind in PAGES[name]} | {""}
        assert set(explanations(name)) <= known


def test_the_first_page_lists_the_classes_and_the_words_about_money() -> None:
    page = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert index() == page, "run: python -m tests.docs.runbook_pages"
    for money in Money:
        assert f"| {money.value} |" in page


def test_only_these_errors_have_no_words_of_their_own() -> None:
    assert relays() == RELAYED


def matches(text: Text, what: str) -> bool:
    """Whether a text as it happened is that of an entry."""
    parts = [re.escape(part) for part in text.what.split(GAP)]
    return re.fullmatch(".*".join(parts) + r"\W*", what, re.DOTALL) is not None


PROTOCOL = Protocol("key", "https://queue.example")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 422, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("kind", [CallKind.SUBMIT, CallKind.READ])
def test_what_the_queue_can_answer_is_found(status: int, kind: CallKind) -> None:
    call = PROTOCOL.submit("m", {}) if kind is CallKind.SUBMIT else PROTOCOL.get("r")
    error = refusal(call, Response(status, {}, b'{"error": "no"}'))
    assert isinstance(error, KlingError)
    found = [text for text in texts() if text.kind == type(error).__name__ and matches(text, error.what)]
    assert found, str(error)
    assert error.money.value in [each for text in found for each in text.money] or kind is not CallKind.SUBMIT
