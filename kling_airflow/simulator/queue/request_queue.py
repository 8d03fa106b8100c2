"""The request queue: accepts submissions, ends requests, reads and cancels them."""

from __future__ import annotations

import logging
import random
import uuid
from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.queue import billing, lifecycle, models, webhooks
from kling_airflow.simulator.queue.accounts import Accounts
from kling_airflow.simulator.queue.generation import BACKEND_ERROR, Generator
from kling_airflow.simulator.queue.lifecycle import Status, Timeline
from kling_airflow.simulator.queue.refusal import Refusal
from kling_airflow.simulator.queue.requests import Overrides, QueueRequest, Verdict
from kling_airflow.simulator.queue.store import Store
from kling_airflow.simulator.queue.submission import parse_submission, payload_digest
from kling_airflow.simulator.queue.uploads import Uploads
from kling_airflow.simulator.queue.validation import payload_problems

if TYPE_CHECKING:
    from kling_airflow.simulator.clock import Clock
    from kling_airflow.simulator.queue.catalog import Model
    from kling_airflow.simulator.queue.generation import Generation
    from kling_airflow.simulator.settings import Account, Settings

log = logging.getLogger(__name__)
AT_ONCE = Timeline(((Status.QUEUED, 0.0),), 0.0)


class RequestQueue:
    """The simulated queue. Everything here runs on the server's event loop.

    :param settings: how the queue behaves.
    :param clock: the clock of the service.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.uploads = Uploads(clock, settings.upload_expiry_seconds)
        self.generator = Generator(settings, clock, self.uploads)
        self.webhooks = webhooks.Webhooks()
        self.base_url = ""
        self.reset()

    def listen_at(self, base_url: str) -> None:
        """Tell the queue what its own URLs begin with."""
        self.base_url = (self.settings.public_url or base_url).rstrip("/")
        self.uploads.base_url = self.base_url

    def reset(self) -> None:
        """Forget every request, upload and count."""
        self.store = Store(self._finished)
        self.accounts = Accounts(self.settings.accounts, self.clock)
        self._ordinal = 0
        self._errors = 0
        self.made: set[tuple[str, str]] = set()
        """Organization and id of each element, and of each session of faces, that was made."""
        self.uploads.clear()
        self.generator.cancel()

    def object_error(self) -> bool:
        """Return whether the next error is an object rather than a string."""
        self._errors += 1
        shape = self.settings.error_shape
        return shape == "object" or (shape == "mixed" and self._errors % 3 == 0)

    async def submit(self, account: Account, body: bytes, overrides: Overrides | None = None) -> QueueRequest:
        """Create a request, after every check the service makes, in its order.

        :param overrides: what faults order for the request.
        :raises Refusal: 400, 402, 404 or 500, as the wire contract has them.
        """
        name, payload, webhook = parse_submission(body)
        model = self.model(name)
        problems = payload_problems(model, payload, self.settings)
        if problems:
            raise Refusal(400, f"invalid payload parameters: {', '.join(problems)}")
        if account.models is not None and model.id not in account.models:
            raise Refusal(404, f"model {model.id} does not exist or you do not have access to it")
        self.store.advance(self.clock.now())
        organization = self.accounts.organizations[account.organization]
        overrides = overrides or Overrides()
        amount = model.cost(payload, overrides.price)
        organization.hold(amount)
        try:
            return await self._ask_upstream(account, model, payload, amount, overrides, webhook)
        except BaseException:
            organization.release(amount)
            raise

    def model(self, name: str) -> Model:
        """Return a model of the catalogue; two users saw that ids are case-sensitive.

        :raises Refusal: 404.
        """
        model = models.MODELS.get(name)
        if model is None:
            raise Refusal(404, f"model {name} does not exist")
        return model

    def read(self, account: Account, request_id: str, *, console: bool = False) -> QueueRequest:
        """Return a request of the account's organization, settled.

        :param console: the call has the web console's token, which can also read requests of the console.
        :raises Refusal: 404; no user has recorded its text.
        """
        request = self.store.get(request_id)
        hidden = request is not None and (
            request.organization != account.organization
            or self.clock.now() - request.created_at < request.overrides.hidden_for
            or (request.from_console and not console)
        )
        if request is None or hidden:
            raise Refusal(404, f"request {request_id} not found")
        request.reads += 1
        self.store.settle(request, self.clock.now())
        return request

    def cancel(self, account: Account, request_id: str) -> QueueRequest:
        """Cancel a request. The vendor does not document the call; one user uses it.

        :raises Refusal: 404, or 405 if the settings say so; 409 (assumed) when the request has ended.
        """
        if self.settings.cancel == "405":
            raise Refusal(405, "method not allowed", headers={"allow": "GET"})
        request = self.read(account, request_id)
        if self.settings.cancel == "404":
            raise Refusal(404, "not found")
        if request.terminal is not None:
            raise Refusal(409, f"request {request_id} is already {request.terminal.value}")
        request.finish(Status.CANCELLED, self.clock.now())
        self._finished(request)
        return request

    def ledger(self) -> list[billing.LedgerEntry]:
        """Return every request that was created, oldest first."""
        now = self.clock.now()
        for request in self.store:
            self.store.settle(request, now)
        return [billing.ledger_entry(request, now) for request in self.store]

    async def close(self) -> None:
        """Stop every generation."""
        await self.webhooks.close()
        await self.generator.close()

    async def _ask_upstream(
        self,
        account: Account,
        model: Model,
        payload: dict[str, Any],
        amount: int,
        overrides: Overrides,
        webhook: str | None,
    ) -> QueueRequest:
        self._ordinal += 1
        rng = random.Random(f"{self.settings.seed}:{self._ordinal}")  # noqa: S311 - chance, not secrets
        timeline = lifecycle.plan(rng, self.settings, model.duration(payload))
        job = self.generator.prepare(model, payload, rng)
        if model.delivery_mode == "async":
            await self.clock.sleep(self.settings.submit_seconds / self.settings.speed)
        refusal = await job.look_at_once() if model.delivery_mode == "async" else None
        if refusal is None and not self._knows(account.organization, payload):
            refusal = Refusal(500, BACKEND_ERROR)
        if refusal is None and overrides.refusal is not None:
            refusal = Refusal(500, overrides.refusal)
        if model.result == "audio" and overrides.success_shape is None:
            overrides.success_shape = self.settings.speech_outcome
        request = QueueRequest(
            request_id=str(uuid.uuid4()),
            organization=account.organization,
            user=account.user,
            key_name=account.name,
            model=model,
            payload=payload,
            payload_digest=payload_digest(payload),
            created_at=self.clock.now(),
            timeline=timeline,
            amount=amount,
            object_errors=self.object_error() if refusal or overrides.failure else False,
            overrides=overrides,
            webhook=webhook,
            reads_per_step=self.settings.reads_per_step if self.settings.transitions == "reads" else None,
        )
        if refusal is not None:
            if refusal.status >= 500:
                self._leave_failed(request, refusal.message)
            raise refusal
        await self._begin(request, job)
        return request

    async def _begin(self, request: QueueRequest, job: Generation) -> None:
        """Create a request, and generate: at once for a synchronous model, else in the background."""
        if request.model.delivery_mode == "sync":
            request.timeline = AT_ONCE
        self.store.add(request)
        log.info(
            "%s: %s is created, $%.2f are held", request.request_id, request.model.id, request.amount / 1e6
        )
        if request.overrides.failure_after is not None:
            self.store.schedule(request, request.created_at + request.overrides.failure_after)
        if request.model.delivery_mode == "sync":
            self._judge(request, await job.run())
        else:
            self.generator.start(job, lambda verdict: self._judge(request, verdict))

    def _knows(self, organization: str, payload: dict[str, Any]) -> bool:
        """Return whether every element and session that a valid payload names was made here (assumed)."""
        named = [payload["session_id"]] if "session_id" in payload else []
        named += [element["element_id"] for element in payload.get("element_list") or []]
        return all((organization, str(each)) in self.made for each in named)

    def _leave_failed(self, request: QueueRequest, reason: str) -> None:
        """Leave a failed record in the list, of a POST that was refused, as two users saw it."""
        request.timeline = AT_ONCE
        request.billed = False
        request.finish(Status.FAILED, request.created_at, error=reason)
        self.store.add(request)

    def _judge(self, request: QueueRequest, verdict: Verdict) -> None:
        """Keep the verdict of a generation; the record shows it when the timeline ends."""
        request.verdict = verdict
        for made in (verdict.result or {}, (verdict.result or {}).get("data") or {}):
            self.made |= {
                (request.organization, made[name]) for name in ("element_id", "session_id") if name in made
            }
        now = self.clock.now()
        if verdict.reason is not None:
            request.object_errors = self.object_error()
        at_once = request.model.delivery_mode == "sync"
        if verdict.late and self.settings.transitions == "time" and not at_once:
            late = self.settings.late_failure_seconds / self.settings.speed
            request.timeline = Timeline(request.timeline.steps, late)
        self.store.settle(request, now)
        if request.terminal is None:
            self.store.schedule(request, request.created_at + request.timeline.done)

    def _finished(self, request: QueueRequest) -> None:
        """Give a failed request's money back, as three users saw; a cancelled one's by the settings."""
        reason = f": {request.error}" if request.error else ""
        log.info("%s: the request is %s%s", request.request_id, request.terminal, reason)
        if request.webhook is not None and self.settings.webhooks == "call":
            self.webhooks.call(request, self.clock.now(), self.base_url)
        free = request.terminal is Status.FAILED or (
            request.terminal is Status.CANCELLED and not self.settings.bill_cancelled
        )
        if free and request.billed:
            request.billed = False
            self.accounts.organizations[request.organization].release(request.amount)
