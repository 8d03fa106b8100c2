"""The billing ledger: every request that was created, its cost, and the number of its calls."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.requests import QueueRequest


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One request with what it costs.

    :param key_name: the name of the API key, never the key.
    :param payload_digest: sha256 of the payload's canonical JSON (sorted keys, no spaces).
    :param created_at: seconds since the epoch.
    :param billed: whether the request costs money: held while it runs, charged after success.
    :param amount_microusd: what is held or charged, in micro-dollars; 0 when not billed.
    :param outcome: the present status.
    :param error: the reason of a failure.
    :param calls: how often each call named this request.
    :param webhook: the address that the submission names to be told the result; None if it names none.
    """

    request_id: str
    key_name: str
    organization: str
    model: str
    payload_digest: str
    created_at: float
    finished_at: float | None
    billed: bool
    amount_microusd: int
    outcome: str
    error: str | None
    calls: dict[str, int]
    webhook: str | None = None

    @property
    def amount_usd(self) -> float:
        """What is held or charged, in dollars."""
        return self.amount_microusd / 1e6

    def as_dict(self) -> dict[str, Any]:
        """Return the entry for JSON, with `amount_usd`."""
        return asdict(self) | {"amount_usd": self.amount_usd}


def ledger_entry(request: QueueRequest, now: float) -> LedgerEntry:
    """Return the ledger's row of a request at a moment."""
    return LedgerEntry(
        request_id=request.request_id,
        key_name=request.key_name,
        organization=request.organization,
        model=request.model.id,
        payload_digest=request.payload_digest,
        created_at=request.created_at,
        finished_at=request.finished_at,
        billed=request.billed,
        amount_microusd=request.amount if request.billed else 0,
        outcome=request.view(now)[0].value,
        error=request.error,
        calls=dict(request.calls),
        webhook=request.webhook,
    )
