"""One GET over http(s), the way downloads make it, and what its answer means.

No key is sent, whatever a ``.netrc`` says; proxies and CA bundles come from the environment. Texts name an
address without its query string, which may be a signature.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from kling_airflow import __version__
from kling_airflow.errors import DownloadFailed

if TYPE_CHECKING:
    import requests

MAX_REDIRECTS = 5
_GONE = (401, 403, 404, 410)
_PASSING = (408, 416, 425, 429)  # and every 5xx


class Interrupted(Exception):
    """Something that passes; ``retry_after`` is what the server asked for, in seconds."""

    def __init__(self, reason: str, *, retry_after: float | None = None, gone: bool = False) -> None:
        self.retry_after = retry_after
        self.gone = gone
        super().__init__(reason)


def plain_url(url: str) -> str:
    """Return the address without its query string, fragment and credentials: fit for logs."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_url(url: str) -> None:
    """Refuse an address that is not http(s), has no host, or carries credentials.

    :raises DownloadFailed: not retryable.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError as error:
        raise DownloadFailed(f"The address is malformed: {error}.", retryable=False) from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise DownloadFailed(
            f"The address {plain_url(url)} is not an http(s) URL with a host.", retryable=False
        )
    if "@" in parts.netloc:
        raise DownloadFailed(
            f"The address of {parts.hostname} carries a user name or password; "
            "downloads send no credentials. Use a signed URL or an object store.",
            retryable=False,
        )


@contextmanager
def open_session() -> Iterator[requests.Session]:
    """Yield a session that names us and sends no credentials."""
    import requests

    with requests.Session() as session:
        # A callable, so that requests does not look for credentials in a .netrc file.
        session.auth = lambda request: request
        session.headers["User-Agent"] = f"kling_airflow/{__version__}"
        yield session


@contextmanager
def answer(
    session: requests.Session, url: str, headers: dict[str, str], timeout: tuple[float, float]
) -> Iterator[requests.Response]:
    """Yield the answer to a GET, its body unread, after redirects; those lead to http(s) only.

    :raises Interrupted: no answer, for a reason that may pass.
    :raises DownloadFailed: a redirect that isn't followed, or a certificate that isn't trusted.
    """
    import requests

    for _ in range(MAX_REDIRECTS + 1):
        try:
            response = session.get(url, headers=headers, timeout=timeout, stream=True, allow_redirects=False)
        except requests.exceptions.SSLError as error:
            raise DownloadFailed(
                f"{plain_url(url)}: {reason(error)}. Behind a proxy that opens TLS, point "
                "REQUESTS_CA_BUNDLE at its certificate."
            ) from None
        except requests.RequestException as error:
            unconnected = isinstance(error, requests.ConnectionError) and not _was_reset(error)
            raise Interrupted(reason(error), gone=unconnected) from None
        with response:
            if not response.is_redirect:
                yield response
                return
            url = urljoin(url, response.headers["Location"])
            check_url(url)
    raise DownloadFailed(f"{plain_url(url)}: more than {MAX_REDIRECTS} redirects.", retryable=False)


def check_status(url: str, response: requests.Response) -> None:
    """Return for a file or a part of it; raise what any other status means.

    :raises Interrupted: it may pass.
    :raises DownloadFailed: ``gone`` for a dead address, not ``retryable`` for the other 4xx.
    """
    code = response.status_code
    if code in (200, 206):
        return
    said = f"the server answered {code} {response.reason}".rstrip()
    if code in _GONE:
        raise DownloadFailed(
            f"{plain_url(url)}: {said}. The address is dead, expired or not public.", gone=True
        )
    if code in _PASSING or code >= 500:
        raise Interrupted(said, retry_after=_retry_after(response))
    raise DownloadFailed(f"{plain_url(url)}: {said}.", retryable=False)


def _retry_after(response: requests.Response) -> float | None:
    import urllib3

    try:
        return urllib3.Retry().get_retry_after(response.raw)
    except urllib3.exceptions.InvalidHeader:
        return None


def reason(error: BaseException) -> str:
    """Return the innermost cause in short: the outer ones repeat the whole URL, signature included."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}"


def _was_reset(error: BaseException) -> bool:
    while error is not None:
        if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
            return True
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return False
