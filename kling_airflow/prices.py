"""What a generation costs: the one place that knows a price.

Two sources say it: the table of models (``models.py``) and the queue's catalog (``GET /models/{id}``).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from kling_airflow.models import MODELS

_CATALOG_SOUND_FACTOR: Final = 1.5
"""How much dearer a clip with sound is, for a model that is not in the table of models: the factor of Kling
v3 (documented), assumed for others. A price that is too high is better than one that is too low."""


def price_usd(
    model: str, payload: Mapping[str, Any], *, description: Mapping[str, Any] | None = None
) -> float | None:
    """Return what a payload costs in US dollars, by the higher of both sources; None if that is not known.

    :param model: the model's id.
    :param payload: what is asked, as the queue spells it: ``{"duration": "5", "sound": "on"}``.
    :param description: the catalog's entry of the model; None if there is none, or it wasn't asked.
    """
    by_table = _by_table(model, payload)
    if description is None or not _has_price(description):
        return by_table
    by_catalog = _by_catalog(model, description, payload)
    if by_catalog is None:
        return None  # the catalog has a price that can't be read: it may be higher than the table's
    return by_catalog if by_table is None else max(by_table, by_catalog)


def _by_table(model: str, payload: Mapping[str, Any]) -> float | None:
    spec = MODELS.get(model)
    if spec is None or spec.price is None:
        return None
    per_second = spec.price.usd.get(str(payload.get(spec.price.option, "")).lower())
    return None if per_second is None else _times(per_second, payload.get("duration"))


def _has_price(description: Mapping[str, Any]) -> bool:
    info = description.get("price_info")
    return isinstance(info, Mapping) and info.get("price") is not None


def _by_catalog(model: str, description: Mapping[str, Any], payload: Mapping[str, Any]) -> float | None:
    """Read ``price_info.price``: micro-dollars (documented), for a second or for a request."""
    info = description["price_info"]
    price = info["price"]
    if not isinstance(price, int | float) or isinstance(price, bool):
        return None
    try:
        usd = price / 1e6 * _factor(model, payload)
    except OverflowError:
        return None
    if not isfinite(usd) or usd < 0:
        return None
    if info.get("unit") != "second":
        return round(usd, 6)
    duration = payload.get("duration")
    return _times(usd, _default_duration(description) if duration is None else duration)


def _factor(model: str, payload: Mapping[str, Any]) -> float:
    """Return how much dearer the payload is than the model's cheapest variant, which the catalog lists."""
    spec = MODELS.get(model)
    if spec is not None and spec.price is not None:
        usd = spec.price.usd.get(str(payload.get(spec.price.option, "")).lower())
        if usd is not None:
            return usd / min(spec.price.usd.values())
    return _CATALOG_SOUND_FACTOR if str(payload.get("sound", "")).lower() == "on" else 1.0


def _default_duration(description: Mapping[str, Any]) -> object:
    parameters = description.get("parameters")
    for parameter in parameters if isinstance(parameters, list) else []:
        if isinstance(parameter, Mapping) and parameter.get("name") == "duration":
            return parameter.get("default_value")
    return None


def _times(usd_per_second: float, duration: object) -> float | None:
    try:
        cost = usd_per_second * float(str(duration))
    except (ValueError, OverflowError, RecursionError):
        return None
    return round(cost, 6) if isfinite(cost) and cost >= 0 else None
