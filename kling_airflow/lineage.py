"""How an address is named in OpenLineage; imported only where its provider is installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import TypeAlias

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    Lineage: TypeAlias = OperatorLineage[Any, Any]


def lineage(*, inputs: Iterable[str | None], outputs: Iterable[str | None]) -> Lineage:
    """Return what a task read and wrote.

    :param inputs: addresses; None and "" are left out, as are the query strings of http(s) ones.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(
        inputs=[dataset(uri) for uri in inputs if uri], outputs=[dataset(uri) for uri in outputs if uri]
    )


def dataset(uri: str) -> Dataset:
    """Return an address as OpenLineage names it: ``s3://bucket`` and ``key``; ``file`` and ``/path``."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    from kling_airflow.addresses import LOCAL, file_path

    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    bucket = bucket.rpartition("@")[2]
    if scheme in LOCAL:
        return Dataset(namespace="file", name=f"/{file_path(uri).lstrip('/')}")
    if scheme in ("http", "https"):
        key = urlsplit(uri).path.lstrip("/")
    return Dataset(namespace=f"{scheme}://{bucket}", name=key)
