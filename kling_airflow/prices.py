"""What a generation costs: the one place that knows a price.

Two sources say it: the table of models (``models.py``) and the queue's catalog (``GET /models/{id}``).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from kling_airflow.models import MODELS

_CATALOG_SOUND_FACTOR: Final = 1.5
"""How much dearer a clip with sound is if the catalog names one price: the factor of Kling v3 (documented).
For another model it is assumed: too much is better than too little."""


def price_usd(
    model: str, payload: Mapping[str, Any], *, description: Mapping[str, Any] | None = None
) -> float | None:
    """Return what a payload costs in US dollars; None if neither source says.

    :param model: the model's id.
    :param payload: what is asked, as the queue spells it: ``{"duration": "5", "sound": "on"}``.
    :param description: the catalog's entry of the model, used if the table of models has no price.
    """
    price = _by_table(model, payload)
    return _by_catalog(description, payload) if price is None and description is not None else price


def _by_table(model: str, payload: Mapping[str, Any]) -> float | None:
    spec = MODELS.get(model)
    if spec is None or spec.price is None:
        return None
    per_second = spec.price.usd.get(str(payload.get(spec.price.option, "")).lower())
    return None if per_second is None else _times(per_second, payload.get("duration"))


def _by_catalog(description: Mapping[str, Any], payload: Mapping[str, Any]) -> float | None:
    """Read ``price_info.price``: micro-dollars (documented), for a second or for a request."""
    info = description.get("price_info")
    price = info.get("price") if isinstance(info, Mapping) else None
    if not isinstance(info, Mapping) or not isinstance(price, int | float) or isinstance(price, bool):
        return None
    usd = price / 1e6
    if str(payload.get("sound", "")).lower() == "on":
        usd *= _CATALOG_SOUND_FACTOR
    if info.get("unit") != "second":
        return round(usd, 6)
    duration = payload.get("duration")
    return _times(usd, _default_duration(description) if duration is None else duration)


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
