"""API keys and organizations: authentication, credit, the hourly limit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kling_airflow.simulator.queue.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_airflow.simulator.clock import Clock
    from kling_airflow.simulator.settings import Account

HOUR = 3600.0


@dataclass(slots=True)
class Organization:
    """Credit and hourly limit, shared by an organization's keys.

    :param credit: micro-dollars left after holds; None is no limit.
    :param requests_per_hour: POSTs in any hour; None is no limit.
    """

    name: str
    credit: int | None
    requests_per_hour: int | None
    posts: deque[float] = field(default_factory=deque)

    def hold(self, amount: int) -> None:
        """Set money aside for a request.

        :param amount: micro-dollars.
        :raises Refusal: 402 when the credit is too small.
        """
        if self.credit is None:
            return
        if self.credit < amount:
            raise Refusal(402, "Insufficient credits. Please add more credits to your account.")
        self.credit -= amount

    def release(self, amount: int) -> None:
        """Give back what `hold` set aside, in micro-dollars."""
        if self.credit is not None:
            self.credit += amount

    def wait_for_post(self, now: float) -> float:
        """Count one POST and return 0, or return the seconds until the next one is allowed."""
        if self.requests_per_hour is None:
            return 0.0
        while self.posts and self.posts[0] <= now - HOUR:
            self.posts.popleft()
        if len(self.posts) < self.requests_per_hour:
            self.posts.append(now)
            return 0.0
        return self.posts[0] + HOUR - now if self.posts else HOUR


class Accounts:
    """Every key and organization of the simulated service."""

    def __init__(self, accounts: Sequence[Account], clock: Clock) -> None:
        self._clock = clock
        self._accounts = list(accounts)
        self._by_key = _by_key(self._accounts)
        self.organizations: dict[str, Organization] = {}
        for account in accounts:
            credit = None if account.credit_usd is None else round(account.credit_usd * 1e6)
            organization = Organization(account.organization, credit, account.requests_per_hour)
            self.organizations.setdefault(account.organization, organization)

    def authenticate(self, authorization: str | None, organization: str | None) -> Account:
        """Return the account of a call.

        No user has recorded the texts of 401 and 403; these texts are assumed.

        :param authorization: the header of that name.
        :param organization: the header X-Organization-ID.
        :raises Refusal: 401 without a known key, 403 for an organization that isn't the key's.
        """
        if not (authorization or "").startswith("Bearer "):
            raise Refusal(401, "Missing or invalid Authorization header")
        if self.find(authorization or "") is None:
            raise Refusal(401, "Invalid API key")
        account = self.find(authorization or "", organization)
        if account is None:
            raise Refusal(403, "API key does not belong to this organization")
        return account

    def find(self, authorization: str, organization: str | None = None) -> Account | None:
        """Return the account of an Authorization header, if there is one.

        :param organization: which of the key's organizations; None is the first one.
        """
        accounts = self._by_key.get(authorization.removeprefix("Bearer "), [])
        wanted = (a for a in accounts if organization is None or a.organization == organization)
        return next(wanted, None)

    def named(self, user: str, name: str) -> Account | None:
        """Return the account of a user and a key's name, if there is one."""
        named = (account for account in self._accounts if (account.user, account.name) == (user, name))
        return next(named, None)

    @property
    def first_key(self) -> str:
        """The API key of the first account."""
        return self._accounts[0].key

    def rotate(self, name: object, new_key: object) -> None:
        """Replace a key: the old one is refused, the new one is accepted.

        :param name: the name of the key.
        :raises ValueError: when no key has that name, or when the new key is empty or in use.
        """
        if not any(account.name == name for account in self._accounts):
            raise ValueError(f"no key has the name {name!r}")
        if not isinstance(new_key, str) or not new_key or new_key in self._by_key:
            raise ValueError("new_key is empty, no text, or in use")
        self._accounts = [
            account.model_copy(update={"key": new_key}) if account.name == name else account
            for account in self._accounts
        ]
        self._by_key = _by_key(self._accounts)

    def admit(self, account: Account, retry_after: int | None) -> None:
        """Count a POST against the organization's hour.

        :param retry_after: seconds to name in Retry-After; None sends none.
        :raises Refusal: 429 when the hour is used up.
        """
        if self.organizations[account.organization].wait_for_post(self._clock.now()) > 0:
            raise rate_limited_refusal(retry_after)


def rate_limited_refusal(retry_after: int | None) -> Refusal:
    """Return a 429. No user has recorded its text; this text is assumed."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Refusal(429, "Rate limit exceeded. Please try again later.", headers=headers)


def _by_key(accounts: Sequence[Account]) -> dict[str, list[Account]]:
    by_key: dict[str, list[Account]] = {}
    for account in accounts:
        by_key.setdefault(account.key, []).append(account)
    return by_key
