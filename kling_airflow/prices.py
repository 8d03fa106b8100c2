"""What a request costs: the one place that knows a price.

Two sources say it: the table of models (``models/table.py``) and the queue's catalog (``GET /models/{id}``).
The higher one counts, so that the catalog's base price never lowers the table's.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from kling_airflow.models import MODELS
from kling_airflow.models.price import in_seconds

_CATALOG_SOUND_FACTOR: Final = 1.5
"""How much dearer a clip with sound is, for a model whose prices are not in the table of models: the factor
of Kling v3 (documented), assumed for others. A price that is too high is better than one that is too low."""
_DEARER: Final = ("mode", "resolution", "quality")
"""Fields whose other values have other prices: the catalog shows one price, that of the default."""
_DEARER_LISTS: Final = ("video_list",)
"""Lists that make a request dearer if they have an entry."""


def price_usd(
    model: str, payload: Mapping[str, Any], *, description: Mapping[str, Any] | None = None
) -> float | None:
    """Return what a payload costs in US dollars, by the higher of both sources; None if that is not known.

    If the clip lasts as long as an input video, it is the price of the longest one that the model takes.

    :param model: the model's id.
    :param payload: what is asked, as the queue spells it: ``{"duration": "5", "sound": "on"}``.
    :param description: the catalog's entry of the model; None if there is none, or it wasn't asked.
    """
    spec = MODELS.get(model)
    price = None if spec is None else spec.price
    by_table = None if price is None else price.of(payload)
    if description is None or not _has_price(description):
        return by_table
    if price is not None and price.has_none_for(payload):
        return None  # the table has prices, and none for this combination
    by_catalog = _by_catalog(model, description, payload)
    if by_catalog is None:
        return None  # the catalog has a price that can't be read: it may be higher than the table's
    return by_catalog if by_table is None else max(by_table, by_catalog)


def _has_price(description: Mapping[str, Any]) -> bool:
    info = description.get("price_info")
    return isinstance(info, Mapping) and info.get("price") is not None


def _by_catalog(model: str, description: Mapping[str, Any], payload: Mapping[str, Any]) -> float | None:
    """Read ``price_info.price``: micro-dollars (documented), for a second or for a request."""
    info = description["price_info"]
    shown = info["price"]
    factor = _factor(model, description, payload)
    if factor is None or not isinstance(shown, int | float) or isinstance(shown, bool):
        return None
    try:
        usd = shown / 1e6 * factor
    except OverflowError:
        return None
    if not isfinite(usd) or usd < 0:
        return None
    if info.get("unit") != "second":
        return round(usd, 6)
    spec = MODELS.get(model)
    if spec is not None and spec.price is not None and spec.price.longest:
        return spec.price.times(usd, payload)
    duration = payload.get("duration")
    return in_seconds(usd, _default(description, "duration") if duration is None else duration)


def _factor(model: str, description: Mapping[str, Any], payload: Mapping[str, Any]) -> float | None:
    """Return how much dearer a payload is than what the catalog shows; None if that is unknown."""
    spec = MODELS.get(model)
    if spec is not None and spec.price is not None:
        factor = spec.price.factor(payload)
        if factor is not None:
            return factor
    if any(payload.get(name) for name in _DEARER_LISTS):
        return None
    for name in _DEARER:
        value = payload.get(name)
        if value is not None and str(value) != str(_default(description, name)):
            return None
    return _CATALOG_SOUND_FACTOR if str(payload.get("sound", "")).lower() in ("on", "yes", "true") else 1.0


def _default(description: Mapping[str, Any], name: str) -> object:
    """Return what the catalog says that a field is if it is left out; None if the catalog doesn't say."""
    parameters = description.get("parameters")
    for parameter in parameters if isinstance(parameters, list) else []:
        if isinstance(parameter, Mapping) and parameter.get("name") == name:
            return parameter.get("default_value")
    return None
