"""The settings of a simulator, from Python, the command line or a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

DEFAULT_KEY = "gmi-simulator-key"


class Account(BaseModel):
    """An API key and the organization it belongs to.

    Several accounts may name the same organization. They share its credit and its hourly limit,
    which are those of the first account. A key given for several organizations works for each of them, as
    X-Organization-ID says, and for the first one if a call has no such header.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(min_length=1)
    name: str = "default"
    """The key's name in the ledger; the key itself is never shown."""
    organization: str = "org-simulator"
    user: str = "user-simulator"
    credit_usd: float | None = Field(default=None, ge=0)
    """What the organization can spend; None is no limit."""
    requests_per_hour: int | None = Field(default=None, ge=0)
    """POSTs to /requests in any 3600 s; None is no limit. The vendor does not publish its limits."""
    models: tuple[str, ...] | None = None
    """Model ids that the key may use; None is every model."""


def default_accounts() -> tuple[Account, ...]:
    """Return the account of a simulator whose settings name none."""
    return (Account(key=DEFAULT_KEY),)


class Settings(BaseModel):
    """How the simulated service behaves.

    Each default is what the vendor documents or users observed, or else the stricter choice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Time
    speed: float = Field(default=1.0, gt=0)
    """How many times faster than the real service the simulator works; timestamps are the clock's."""
    seed: int = 0
    """The seed of every random choice. Ids are unique whatever the seed is."""
    transitions: Literal["time", "reads", "immediate"] = "time"
    """What moves a request on: time, the number of its reads, or nothing (it ends at once)."""
    reads_per_step: int = Field(default=2, ge=1)
    generation_seconds: float | None = Field(default=None, ge=0)
    """How long a generation takes at speed 1; None is about 165 s for a clip of 5 s, 15 % more or less."""
    submit_seconds: float = Field(default=1.0, ge=0)
    """How long the POST of a Kling model takes at speed 1: it calls the upstream vendor before it answers."""
    late_failure_seconds: float = Field(default=600.0, ge=0)
    """Seconds after which unreachable media fails a request that was accepted, at speed 1."""
    clock_skew_seconds: float = Field(default=0.0, allow_inf_nan=False)
    """How far the service's timestamps and Date header are ahead of this machine's clock, in seconds."""

    # Clips
    render: Literal["full", "fast"] = "full"
    """`full` renders each clip from its frames; `fast` has one tiny clip for each duration."""
    render_workers: int = Field(default=1, ge=1)
    media_dir: Path | None = None
    """The folder of the rendered clips, by content; None is a temporary folder."""
    fetch_frames: bool = True
    """Whether frames given as URLs are fetched and checked. If not, bad frames are accepted."""
    frame_timeout: float = Field(default=10.0, gt=0)

    # Addresses
    public_url: str | None = None
    """The beginning of media and upload URLs, for a proxy; None is the simulator's own address."""
    upload_expiry_seconds: float = Field(default=900.0, gt=0)
    allowed_hosts: tuple[str, ...] = ()
    """Host names that calls may name, besides localhost, the address listened on and `public_url`'s host."""

    # Behavior that is not known of the service
    strict_enums: bool = False
    """Refuse integers for an enum of strings, as two users saw another model do."""
    unknown_keys: Literal["refuse", "ignore"] = "refuse"
    list_needs_model: bool = False
    """A list without `model_id` is answered 200 and empty."""
    list_outcomes: bool = True
    """Whether rows of the list carry their outcome."""
    list_lag_seconds: float = Field(default=0.0, ge=0)
    """How far the list lags behind the requests by id, in seconds."""
    cancel: Literal["supported", "404", "405"] = "supported"
    bill_cancelled: bool = False
    payload_echo: Literal["whole", "empty"] = "whole"
    base64_frames: bool = True
    base64_prefix: bool = False
    """Whether Base64 frames may begin with `data:`."""
    max_body_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    error_shape: Literal["string", "object", "mixed"] = "mixed"
    """The type of `error` in HTTP answers and outcomes; `mixed`: every third error is an object."""
    unreachable_frames: Literal["refused", "late", "either"] = "either"
    """A frame that can't be fetched: 500 on the POST, a late failure, or one of both by chance."""
    speech_outcome: Literal["audio_url", "media_urls", "both"] = "audio_url"
    """How speech models name their file."""
    sync_failures: Literal["400", "record"] = "400"
    """The answer to a synchronous model's failure: 400 with its request id, or 200 with its failed record."""
    webhooks: Literal["ignore", "call"] = "ignore"
    """Whether the webhook that a submission names is called with the record; it is recorded in any case."""
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
    """Return what is wrong with settings, each field with its message."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}, not {detail['input']!r}"
        for detail in error.errors()
    )
