"""What a task tells OpenLineage; imported only where its provider is installed.

Datasets are the addresses that a task read and wrote. What was written carries its size, and its SHA-256 as
its version. The run carries the facet ``kling``: which request it was, of which model, and what it cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import TypeAlias

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    Lineage: TypeAlias = OperatorLineage[Any, Any]

RUN_FACET: Final = "kling"
"""The name of the run's facet."""


def lineage(
    *,
    inputs: Iterable[str | None],
    outputs: Iterable[str | None],
    result: object = None,
) -> Lineage:
    """Return what a task read and wrote.

    :param inputs: addresses; None and "" are left out, as are the query strings of http(s) ones.
    :param outputs: the same.
    :param result: what the task returned: a dict with ``request_id``, ``cost_usd``, ``uri``, ``sha256`` ...;
        a list of such; or a storyboard's report.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    rows = [row for row in _rows(result) if row.get("uri")]
    about = {str(row["uri"]): row for row in rows}
    return OperatorLineage(
        inputs=[dataset(uri) for uri in inputs if uri],
        outputs=[_written(uri, about.get(uri, {})) for uri in outputs if uri],
        run_facets=_run_facets(result),
    )


def dataset(uri: str) -> Dataset:
    """Return an address as OpenLineage names it: ``s3://bucket`` and ``key``; ``file`` and ``/path``."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    namespace, name = _name(uri)
    return Dataset(namespace=namespace, name=name)


def _written(uri: str, about: Mapping[str, Any]) -> Any:
    """Return a dataset that a task has written, with what is known of the file."""
    from airflow.providers.common.compat.openlineage.facet import (
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
    )
    from openlineage.client.facet_v2 import dataset_version_dataset

    facets: dict[str, Any] = {}
    if about.get("sha256"):
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(str(about["sha256"]))
    output: dict[str, Any] = {}
    if about.get("bytes"):
        output["outputStatistics"] = OutputStatisticsOutputDatasetFacet(size=int(about["bytes"]))
    namespace, name = _name(uri)
    return OutputDataset(namespace=namespace, name=name, facets=facets, outputFacets=output)


def _run_facets(result: object) -> dict[str, Any]:
    rows = [row for row in _rows(result) if row.get("request_id")]
    if not rows:
        return {}
    from kling_airflow.lineage_facet import KlingRunFacet

    costs = [row["cost_usd"] for row in rows if row.get("cost_usd") is not None]
    seconds = [row.get("duration_seconds") or row.get("duration") for row in rows]
    return {
        RUN_FACET: KlingRunFacet(
            requestIds=[str(row["request_id"]) for row in rows],
            models=sorted({str(row["model"]) for row in rows if row.get("model")}),
            costUsd=round(sum(costs), 6) if costs else None,
            durationSeconds=round(sum(part for part in seconds if part), 3) if any(seconds) else None,
        )
    }


def _rows(result: object) -> list[Mapping[str, Any]]:
    """Return the dicts that a result holds: those of its clips, or of its files."""
    if isinstance(result, Mapping):
        for name in ("shots", "takes"):
            if isinstance(result.get(name), list):
                return _rows(result[name])
        return [result]
    return [row for row in result if isinstance(row, Mapping)] if isinstance(result, list) else []


def _name(uri: str) -> tuple[str, str]:
    """Return an address's namespace and name."""
    from kling_airflow.addresses import LOCAL, file_path

    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    bucket = bucket.rpartition("@")[2]
    if scheme in LOCAL:
        return "file", f"/{file_path(uri).lstrip('/')}"
    if scheme in ("http", "https"):
        key = urlsplit(uri).path.lstrip("/")
    return f"{scheme}://{bucket}", key
