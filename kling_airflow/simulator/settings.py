"""Everything that can be set, from Python, the command line or a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

DEFAULT_KEY = "gmi-simulator-key"


class Account(BaseModel):
    """An API key and the organization it belongs to.

    Several accounts may name the same organization: they then share its credit and its hourly limit,
    which are those of the first of them. A key given for several organizations works for each of them, as
    X-Organization-ID says, else for the first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(min_length=1)
    name: str = "default"
    """The key's name in the ledger; the key itself is never shown."""
    organization: str = "org-simulator"
    user: str = "user-simulator"
    credit_usd: float | None = Field(default=None, ge=0)
    """What the organization can spend; None is endless."""
    requests_per_hour: int | None = Field(default=None, ge=0)
    """POSTs to /requests in any 3600 s; None is endless (the service's figures are unpublished)."""
    models: tuple[str, ...] | None = None
    """Model ids the key is entitled to; None is all of them."""


def default_accounts() -> tuple[Account, ...]:
    """Return the one account there is when none is set."""
    return (Account(key=DEFAULT_KEY),)


class Settings(BaseModel):
    """How the simulated service behaves; each default is the contract's word, or its stricter reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Time
    speed: float = Field(default=1.0, gt=0)
    """How many times faster than the real service work is done; timestamps stay those of the clock."""
    seed: int = 0
    """Decides every choice the simulator makes by chance. Ids are always unique."""
    transitions: Literal["time", "reads", "immediate"] = "time"
    """What moves a request on: time, the number of times it is read, or nothing (it is terminal at once)."""
    reads_per_step: int = Field(default=2, ge=1)
    generation_seconds: float | None = Field(default=None, ge=0)
    """How long a generation takes at speed 1; None is the usual 165 s for 5 s of clip, give or take."""
    submit_seconds: float = Field(default=1.0, ge=0)
    """How long the POST of a Kling model takes at speed 1: it calls the upstream vendor before it answers."""
    late_failure_seconds: float = Field(default=600.0, ge=0)
    """When unreachable media makes a request fail, if not at once; at speed 1."""
    clock_skew_seconds: float = Field(default=0.0, allow_inf_nan=False)
    """How far the service's clock is ahead of this machine's: its timestamps and its Date header."""

    # Clips
    render: Literal["full", "fast"] = "full"
    """`full` makes each clip of its frames; `fast` hands out one tiny clip per duration, for load tests."""
    render_workers: int = Field(default=1, ge=1)
    media_dir: Path | None = None
    """Where clips are kept and looked up by content; None is a folder of its own, removed at the end."""
    fetch_frames: bool = True
    """Whether frames given as URLs are fetched and checked. Off is kinder than the service."""
    frame_timeout: float = Field(default=10.0, gt=0)

    # Addresses
    public_url: str | None = None
    """What media and upload URLs begin with, for a proxy in front; None is the address listened on."""
    upload_expiry_seconds: float = Field(default=900.0, gt=0)

    # What nobody has established
    strict_enums: bool = False
    """Refuse integers where an enum of strings is documented, as a sibling model does."""
    unknown_keys: Literal["refuse", "ignore"] = "refuse"
    list_needs_model: bool = False
    """A list without `model_id` is answered 200 and empty."""
    list_outcomes: bool = True
    """Whether rows of the list carry their outcome."""
    list_lag_seconds: float = Field(default=0.0, ge=0)
    """How far the list lags behind the requests by id."""
    cancel: Literal["supported", "404", "405"] = "supported"
    bill_cancelled: bool = False
    payload_echo: Literal["whole", "empty"] = "whole"
    base64_frames: bool = True
    base64_prefix: bool = False
    """Whether Base64 frames may begin with `data:`."""
    max_body_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    error_shape: Literal["string", "object", "mixed"] = "mixed"
    """The shape of `error`, in HTTP answers and outcomes; `mixed`: every third is an object."""
    unreachable_frames: Literal["refused", "late", "either"] = "either"
    """A frame that can't be fetched: 500 on the POST, failed ten minutes later, or one of the two."""
    retry_after: int | None = Field(default=None, ge=0)
    """Seconds in the Retry-After of a 429; None sends no such header."""

    accounts: tuple[Account, ...] = Field(default_factory=default_accounts, min_length=1)
    faults: tuple[dict[str, Any], ...] = ()
    """Faults in force from the start and after a reset; each as `POST /_simulator/faults` takes it."""

    @field_validator("accounts")
    @classmethod
    def _accounts_differ(cls, accounts: tuple[Account, ...]) -> tuple[Account, ...]:
        pairs = [(account.key, account.organization) for account in accounts]
        if len(set(pairs)) < len(pairs):
            raise ValueError("the same key is given twice for the same organization")
        return accounts


def problems(error: ValueError) -> str:
    """Return what is wrong with settings, one field a piece."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}, not {detail['input']!r}"
        for detail in error.errors()
    )
