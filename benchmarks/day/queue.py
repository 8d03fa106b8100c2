"""The queue of a simulated day: bytes go in and out as over HTTP, at the simulated time."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kling_airflow.errors import AmbiguousSubmission, NotAccepted, Unreachable
from kling_airflow.gmi.async_client import AsyncGMIClient
from kling_airflow.gmi.call import Call
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.response import Response
from kling_airflow.gmi.retries import Retries

LATENCY = 0.05
"""Seconds of a call that changes nothing."""


@dataclass(slots=True)
class Entry:
    """A request of the queue; times are Unix seconds."""

    request_id: str
    model: str
    payload: str
    created_at: float
    ends_at: float
    fails: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the queue does not do its work: ``away`` (no connection), 429 or 503."""

    begins: float
    ends: float
    kind: str


class WorkerKilled(BaseException):
    """The worker dies after the queue has accepted the submission, before the id is stored."""


class DayQueue:
    """The queue.

    :param now: the simulated time, in Unix seconds.
    :param seconds: from a clip's submission to its end, on average.
    :param outages: when the queue does not do its work.
    :param chance: decides which answers are lost, and how long each clip takes.
    :param faults: part of the submissions whose answer is lost, half of which were accepted; and part of the
        submissions after which the worker is killed.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        seconds: float,
        outages: list[Outage],
        chance: random.Random,
        faults: float,
    ) -> None:
        self.now = now
        self.entries: list[Entry] = []
        self.by_id: dict[str, Entry] = {}
        self.calls: Counter[str] = Counter()
        self.reads_by_second: Counter[int] = Counter()
        self.lost = self.killed = 0
        self._seconds = seconds
        self._outages = outages
        self._chance = chance
        self._faults = faults

    def outage(self, at: float) -> Outage | None:
        """Return the outage at a time, if there is one."""
        return next((outage for outage in self._outages if outage.begins <= at < outage.ends), None)

    def poll(self, call: Call) -> Response:
        """Answer a call of the triggerer."""
        self.reads_by_second[int(self.now())] += 1
        return self.answer(call)

    def answer(self, call: Call) -> Response:
        """Answer a call that changes nothing."""
        outage = self.outage(self.now())
        query = {name: values[0] for name, values in parse_qs(urlsplit(call.url).query).items()} | dict(
            call.params
        )
        last = urlsplit(call.url).path.rpartition("/")[2]
        self.calls["list" if "model_id" in query else "id"] += 1
        if outage is not None:
            return self._refused(outage, Unreachable)
        if "model_id" in query:
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", 100))
            end = len(self.entries) - offset
            rows = [
                self._record(entry) for entry in reversed(self.entries[max(0, end - limit) : max(0, end)])
            ]
            more = end - limit > 0
            return self._response(200, {"requests": rows, "total": len(self.entries), "has_more": more})
        entry = self.by_id.get(last)
        return (
            self._response(404, {"error": "not found"})
            if entry is None
            else self._response(200, self._record(entry))
        )

    def submit(self, call: Call) -> Response:
        """Create a request, or refuse; now and then the answer is lost, or the worker dies."""
        self.calls["submit"] += 1
        outage = self.outage(self.now())
        if outage is not None:
            return self._refused(outage, NotAccepted)
        fate = self._chance.random()
        lost = fate < self._faults
        if lost and fate < self._faults / 2:
            self.lost += 1
            raise AmbiguousSubmission("The answer to the submission was lost.")
        asked = json.loads(call.body or b"{}")
        now = self.now()
        took = self._seconds * self._chance.uniform(0.6, 1.4)
        request_id, payload = f"{self._chance.getrandbits(128):032x}", json.dumps(asked["payload"])
        entry = Entry(request_id, asked["model"], payload, now, now + took, self._chance.random() < 0.01)
        self.entries.append(entry)
        self.by_id[entry.request_id] = entry
        if lost:
            self.lost += 1
            raise AmbiguousSubmission("The answer to the submission was lost.")
        if fate > 1 - self._faults:
            self.killed += 1
            raise WorkerKilled
        return self._response(200, self._record(entry) | {"payload": None})

    def _record(self, entry: Entry) -> dict[str, Any]:
        now, ended = self.now(), self.now() >= entry.ends_at
        outcome = None
        if ended:
            media = f"https://media.example/{entry.request_id}.mp4"
            outcome = (
                {"error": "internal error"} if entry.fails else {"media_urls": [{"id": "0", "url": media}]}
            )
        return {
            "request_id": entry.request_id,
            "model": entry.model,
            "status": ("failed" if entry.fails else "success") if ended else "processing",
            "payload": json.loads(entry.payload),
            "outcome": outcome,
            "created_at": int(entry.created_at),
            "updated_at": int(entry.ends_at if ended else min(now, entry.created_at + 2)),
            "queued_at": int(entry.created_at),
        }

    def _refused(self, outage: Outage, error: type[Unreachable] | type[NotAccepted]) -> Response:
        if outage.kind == "away":
            raise error("The queue can't be reached.")
        text = "Too many requests" if outage.kind == "429" else "Upstream capacity temporarily exhausted"
        return self._response(
            int(outage.kind), {"error": text}, {"retry-after": "20"} if outage.kind == "429" else {}
        )

    def _response(self, status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
        head = {"content-type": "application/json", "date": formatdate(self.now(), usegmt=True)}
        return Response(status, head | (headers or {}), json.dumps(body).encode())


class DayAsyncClient(AsyncGMIClient):
    """The triggerer's client over the simulated network."""

    def __init__(self, queue: DayQueue) -> None:
        super().__init__("the-key", "https://queue.example")
        self._queue = queue

    async def send(self, call: Call) -> Response:
        """Make one call after the network's latency."""
        await asyncio.sleep(LATENCY)
        return self._queue.poll(call)


class DayClient(GMIClient):
    """A worker's client over the simulated network."""

    def __init__(self, queue: DayQueue) -> None:
        super().__init__("the-key", "https://queue.example", retries=Retries(attempts=1))
        self.queue_clock.elapsed = queue.now
        self._queue = queue

    def _send(self, call: Call, session: Any) -> Response:
        response = self._queue.submit(call) if call.method == "POST" else self._queue.answer(call)
        self.queue_clock.note(response.served_at)
        return response
