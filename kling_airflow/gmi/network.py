"""Proxies and certificates from the environment, the same for both clients.

aiohttp's own ``trust_env`` differs from requests in three ways: it reads other certificate settings, it
reads ``NO_PROXY`` differently, and it lets a ``.netrc`` entry replace the API key. Both clients ask this
module instead: if the worker's submission reaches the queue, so does the triggerer's wait.
"""

from __future__ import annotations

import os
import ssl

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def ca_bundle() -> str:
    """Return the path of the certificates to trust: the one that the environment names, or certifi's."""
    for name in _CA_VARIABLES:
        if path := os.environ.get(name):
            return path
    import certifi

    return certifi.where()


def ssl_context() -> ssl.SSLContext:
    """Return a context that trusts :func:`ca_bundle`, a file or a folder of certificates."""
    from pathlib import Path

    path = ca_bundle()
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for a URL, by the rules of requests; None without one."""
    from requests.utils import get_environ_proxies, select_proxy

    return select_proxy(url, get_environ_proxies(url))
