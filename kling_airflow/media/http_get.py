"""One GET over http(s), the way downloads make it, and what its response means.

No key is sent, whatever a ``.netrc`` says; proxies and CA bundles come from the environment. The body of a
redirect is never read. Texts name an address without its query string, which may be a signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kling_airflow import __version__
from kling_airflow.errors import DownloadFailed
from kling_airflow.media.http_address import plain_url, redirect_target

if TYPE_CHECKING:
    import requests

    from kling_airflow.media.http_connection import AddressGuard, Watchdog

MAX_REDIRECTS = 5
LONGEST_RETRY_AFTER = 3600.0
_NOT_THERE_YET = (202, 204, 205)
_DEAD = (401, 403, 404, 410)
_PASSING = (408, 416, 425, 429)  # and every 5xx
_ERROR_BYTES = 4096
_CODE = re.compile(
    rb"<Code>\s*([\w.-]{1,80})\s*</Code>|\"(?:code|error|status)\"\s*:\s*\"?(\w[\w .-]{0,79})\"?"
)
_EXPIRED = re.compile(rb"(?i)expired|expiredtoken|invalidtoken|tokenrefresh|authenticationfailed")


class Interrupted(Exception):
    """A fault that passes.

    :param retry_after: seconds that the server asked to wait; None if it named none.
    :param gone: whether a fresh address for the same thing may help.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, gone: bool = False) -> None:
        self.retry_after = retry_after
        self.gone = gone
        super().__init__(reason)


@contextmanager
def open_session(watchdog: Watchdog, guard: AddressGuard | None = None) -> Iterator[requests.Session]:
    """Yield a session that names this package and sends no credentials.

    :param watchdog: ends its connections at the deadline.
    :param guard: which hosts it may connect to; None for any.
    """
    import requests

    from kling_airflow.media.http_connection import DownloadAdapter

    with requests.Session() as session:
        # A callable, so that requests does not look for credentials in a .netrc file.
        session.auth = lambda request: request
        session.headers["User-Agent"] = f"kling_airflow/{__version__}"
        for scheme in ("http://", "https://"):
            session.mount(scheme, DownloadAdapter(watchdog, guard))
        yield session


@contextmanager
def get(
    session: requests.Session,
    url: str,
    headers: dict[str, str],
    timeout: tuple[float, float],
    guard: AddressGuard | None = None,
) -> Iterator[requests.Response]:
    """Yield the response to a GET, its body unread, after redirects; those lead to http(s) only.

    :param timeout: seconds to connect, and seconds without a byte.
    :param guard: asked before each hop.
    :raises Interrupted: no response, for a reason that may pass.
    :raises DownloadFailed: a redirect that isn't followed, or a certificate that isn't trusted.
    """
    for _ in range(MAX_REDIRECTS + 1):
        if guard is not None:
            guard.check(url)
        with _send(session, url, headers, timeout, guard) as response:
            if not response.is_redirect:
                yield response
                return
            url = redirect_target(url, response.headers["Location"])
    raise DownloadFailed(f"{plain_url(url)}: more than {MAX_REDIRECTS} redirects.", retryable=False)


def _send(
    session: requests.Session,
    url: str,
    headers: dict[str, str],
    timeout: tuple[float, float],
    guard: AddressGuard | None,
) -> requests.Response:
    """Send one GET by the adapter: ``Session.send`` reads the whole body of a redirect, followed or not."""
    import requests
    import urllib3
    from requests.cookies import extract_cookies_to_jar

    try:
        request = session.prepare_request(requests.Request("GET", url, headers=headers))
        address = str(request.url)
        settings: dict[str, Any] = dict(session.merge_environment_settings(address, {}, True, None, None))
        if guard is not None:
            _check_proxied(address, settings["proxies"], guard)
        response = session.get_adapter(address).send(request, timeout=timeout, **settings)
        extract_cookies_to_jar(session.cookies, request, response.raw)  # type: ignore[no-untyped-call]
    except DownloadFailed:
        raise
    except requests.exceptions.SSLError as error:
        raise DownloadFailed(
            f"{plain_url(url)}: {reason(error)}.",
            todo="Behind a proxy that opens TLS, point REQUESTS_CA_BUNDLE at its certificate.",
        ) from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
        raise DownloadFailed(
            f"The address {plain_url(url)} is malformed ({type(error).__name__}).", retryable=False
        ) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        unconnected = isinstance(error, requests.ConnectionError) and not _was_reset(error)
        raise Interrupted(reason(error), gone=unconnected) from None
    return response


def _check_proxied(url: str, proxies: dict[str, str], guard: AddressGuard) -> None:
    """Look at what can be seen from here of a host that a proxy will connect to."""
    import contextlib

    from requests.utils import select_proxy

    from kling_airflow.media.http_connection import check_host

    parts = urlsplit(url)
    if parts.hostname and select_proxy(url, proxies) and not guard.allows_private(url):
        with contextlib.suppress(OSError):
            check_host(parts.hostname, parts.port or 0, guard.todo)


def check_status(url: str, response: requests.Response) -> None:
    """Return for a file or a part of it; raise what any other status means.

    :raises Interrupted: it may pass.
    :raises DownloadFailed: ``gone`` if a fresh address for the same thing may help, not ``retryable`` for a
        4xx that is not about the address's age.
    """
    code = response.status_code
    if code in (200, 206):
        return
    said = f"the server answered {code} {(response.reason or '')[:80]}".rstrip()
    if code in _NOT_THERE_YET:
        raise Interrupted(f"{said}: the file is not there yet", retry_after=_retry_after(response), gone=True)
    if code in _PASSING or code >= 500:
        raise Interrupted(said, retry_after=_retry_after(response))
    body = _beginning(response)
    found = _CODE.search(body)
    word = next((group.decode("ascii", "replace") for group in found.groups() if group), "") if found else ""
    said = f"{said} ({word.strip()})" if word.strip() else said
    if code in _DEAD or _EXPIRED.search(body):
        raise DownloadFailed(
            f"{plain_url(url)}: {said}. The address is dead, expired or not public.", gone=True
        )
    # Stores name an expired address by other codes, too: a landing then asks for a fresh one.
    raise DownloadFailed(f"{plain_url(url)}: {said}.", retryable=False, gone=400 <= code < 500)


def _beginning(response: requests.Response) -> bytes:
    """Return the first bytes of an error's body; nothing if they are packed or do not come."""
    import urllib3

    try:
        return bytes(response.raw.read1(_ERROR_BYTES, decode_content=False))
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        return b""


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that the server asks to wait, up to an hour."""
    import urllib3

    try:
        seconds = urllib3.Retry().get_retry_after(response.raw)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
    return None if seconds is None else min(seconds, LONGEST_RETRY_AFTER)


def reason(error: BaseException) -> str:
    """Return the innermost cause in short: the outer ones repeat the whole URL, signature included."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {str(error)[:200]}"


def _was_reset(error: BaseException) -> bool:
    while error is not None:
        if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
            return True
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return False
