"""Proxies and certificates from the environment, the same for both clients.

aiohttp's own ``trust_env`` differs from requests in three ways that hurt: it reads other certificate
settings, it honors ``NO_PROXY`` differently, and it lets a ``.netrc`` entry replace the API key. So both
clients ask here, and a submission that gets through is followed by a wait that gets through.
"""

from __future__ import annotations

import os
import ssl

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def ca_bundle() -> str:
    """Return the path of the certificates to trust: what the environment names, else certifi's."""
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
    """Return the proxy that the environment wants for a URL, by the rules of requests; None for none."""
    from requests.utils import get_environ_proxies, select_proxy

    return select_proxy(url, get_environ_proxies(url))
