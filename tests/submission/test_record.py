from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import UnreadableRecord
from kling_airflow.submission.record import State, SubmissionRecord, fingerprint

RECORD = SubmissionRecord("f" * 64, 1, "kling-v3-image-to-video", State.NOT_SENT)
PRINT: dict[str, Any] = {
    "model": "m",
    "fields": {"prompt": "p", "duration": 5, "sound": False, "negative_prompt": None},
    "frames": {"image": "hash"},
    "base_url": "https://queue.example",
    "organization_id": None,
}


def sent(record: SubmissionRecord = RECORD, now: float = 100.0) -> SubmissionRecord:
    frames = {"image": "https://p/f.png"}
    return record.sending(now=now, within=180, marker="https://p/f.png", frames=frames)


text = st.text(min_size=1, max_size=20)
times = st.none() | st.floats(0, 2e9)
records = st.builds(
    SubmissionRecord,
    fingerprint=text,
    take=st.integers(1, 99),
    model=text,
    state=st.sampled_from([State.SENDING, State.NOT_SENT]),
    marker=st.none() | text,
    frames=st.dictionaries(text, text, max_size=2),
    posts=st.integers(0, 9),
    sent_at=times,
    queue_sent_at=times,
    post_timeout=times,
    queue_doubted_since=times,
    arrives_by=times,
    searched_since=times,
    queue_searched_since=times,
    earlier=st.lists(text, max_size=3).map(tuple),
    reason=st.none() | text,
) | st.builds(
    SubmissionRecord,
    fingerprint=text,
    take=st.just(1),
    model=text,
    state=st.just(State.SUBMITTED),
    request_id=text,
    submitted_at=times,
)


@given(records)
def test_a_record_is_read_as_it_was_written(record: SubmissionRecord) -> None:
    assert SubmissionRecord.read(json.loads(json.dumps(record.to_json()))) == record


def test_a_record_is_small() -> None:
    assert len(json.dumps(sent().submitted("r" * 36, now=1).to_json())) < 600


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        "record",
        {"version": 2, "state": "sending"},
        {"version": 1},
        {"version": 1, "fingerprint": "f", "take": 1, "model": "m", "state": "paused"},
        {"version": 1, "fingerprint": "f", "take": 1, "model": "m", "state": "submitted"},
    ],
)
def test_what_cannot_be_read_is_not_taken_for_absent(data: Any) -> None:
    with pytest.raises(UnreadableRecord):
        SubmissionRecord.read(data)


def test_the_states_of_a_submission() -> None:
    sending = sent()
    assert (sending.state, sending.posts, sending.sent_at) == (State.SENDING, 1, 100)
    assert (sending.arrives_by, sending.latest_arrival) == (None, 280), "its attempt has not ended"
    assert sending.attempt_ended(now=101).arrives_by == 280, "the queue may still work on a broken POST"
    assert sending.attempt_ended(now=400).arrives_by == 400, "an attempt can outlast its timeout"
    refused = sending.not_sent("429")
    assert (refused.state, refused.reason, refused.marker) == (State.NOT_SENT, "429", sending.marker)
    again = sent(refused, now=200)
    assert (again.posts, again.sent_at, again.reason) == (2, 200, None)
    submitted = again.submitted("id-1", now=205)
    assert (submitted.state, submitted.request_id, submitted.submitted_at) == (State.SUBMITTED, "id-1", 205)
    another = sent(submitted, now=900)
    assert (another.request_id, another.earlier) == (None, ("id-1",))


def test_the_fingerprint_is_of_what_is_asked() -> None:
    same = fingerprint(**PRINT)
    assert fingerprint(**PRINT) == same
    without_absent = PRINT | {"fields": {"sound": False, "duration": 5, "prompt": "p"}}
    assert fingerprint(**without_absent) == same


@pytest.mark.parametrize(
    "spelled_otherwise",
    [
        {"base_url": "HTTPS://Queue.Example."},
        {"base_url": "https://queue.example:443/"},
        {"base_url": "https://queue.example/./x/../"},
        {"fields": PRINT["fields"] | {"prompt": " p\r\n"}},
        {"fields": PRINT["fields"] | {"duration": 5.0}},
        {"generation": 0},
    ],
)
def test_another_spelling_is_the_same_order(spelled_otherwise: dict[str, Any]) -> None:
    assert fingerprint(**(PRINT | spelled_otherwise)) == fingerprint(**PRINT)


def test_a_prompt_is_compared_after_unicode_composition() -> None:
    composed, decomposed = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"
    prints = [fingerprint(**(PRINT | {"fields": {"prompt": prompt}})) for prompt in (composed, decomposed)]
    assert prints[0] == prints[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"fields": PRINT["fields"] | {"prompt": "q"}},
        {"fields": PRINT["fields"] | {"duration": 6}},
        {"fields": PRINT["fields"] | {"sound": True}},
        {"fields": PRINT["fields"] | {"negative_prompt": "n"}},
        {"frames": {"image": "other"}},
        {"frames": {"image": "hash", "image_tail": "hash"}},
        {"base_url": "http://simulator"},
        {"base_url": "https://queue.example:8443"},
        {"base_url": "https://queue.example/proxy"},
        {"generation": 1},
        {"fields": PRINT["fields"] | {"prompt": "P"}},
        {"fields": PRINT["fields"] | {"prompt": "p p"}},
        {"organization_id": "org-7"},
    ],
)
def test_anything_else_is_another_order(changed: dict[str, Any]) -> None:
    assert fingerprint(**(PRINT | changed)) != fingerprint(**PRINT)


def test_what_the_queue_may_have_is_in_doubt_until_it_is_known() -> None:
    new = SubmissionRecord("f" * 64, 1, "m", State.NOT_SENT)
    sent = new.sending(now=100.0, within=180.0, marker=None, frames={})
    again = sent.sending(now=300.0, within=180.0, marker=None, frames={})
    submitted = sent.submitted("a", now=101.0)
    told = [(record.in_doubt, record.may_have_bought) for record in (new, sent, sent.not_sent("no"))]
    assert told == [(False, False), (True, True), (False, False)]
    assert again.not_sent("not now").in_doubt, "the first may still be there"
    assert (submitted.in_doubt, submitted.may_have_bought) == (False, True)
