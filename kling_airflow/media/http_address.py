"""Addresses over http(s): what is refused, how they are shown, where a redirect leads."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from kling_airflow.errors import DownloadFailed


def plain_url(url: str) -> str:
    """Return the address without its query string, fragment and credentials: fit for logs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(malformed)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_url(url: str) -> None:
    """Refuse an address that is not http(s), has no host, or carries credentials.

    :raises DownloadFailed: not retryable.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
        host = parts.hostname
    except ValueError as error:
        raise DownloadFailed(f"The address is malformed: {_short(error)}.", retryable=False) from None
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise DownloadFailed(
            f"The address {plain_url(url)} is not an http(s) URL with a host.", retryable=False
        )
    if "\\" in parts.netloc or "%" in host.partition("%25")[0]:
        # Programs read such a name in two ways: the host that was allowed might not be the one that is asked.
        raise DownloadFailed("The address has a backslash or an escape in its host's name.", retryable=False)
    if "@" in parts.netloc:
        raise DownloadFailed(
            f"The address of {host} carries a user name or password; "
            "downloads send no credentials. Use a signed URL or an object store.",
            retryable=False,
        )


def redirect_target(url: str, location: str) -> str:
    """Return the address that a redirect leads to.

    :param url: the address that was asked.
    :param location: the header as it came: it may be relative, hold blanks, and raw UTF-8, which HTTP hands
        over as Latin-1.
    :raises DownloadFailed: not retryable; the address is malformed, or not http(s).
    """
    try:
        text = location.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        text = location
    try:
        target = urljoin(url, text.strip())
    except ValueError:
        raise DownloadFailed(f"{plain_url(url)} redirects to a malformed address.", retryable=False) from None
    check_url(target)
    return target


def _short(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 80 else f"{text[:80]}..."
