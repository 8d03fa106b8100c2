"""The color codes of ITU-T H.273 (CICP), which PNG, AVIF and HEIC carry, turned into ICC profiles."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from kling_airflow.media.color_profile import (
    D65,
    SRGB,
    Curve,
    Primaries,
    gamma_curve,
    rgb_profile,
    srgb_curve,
)

log = logging.getLogger(__name__)

_C = (0.310, 0.316)
PRIMARIES = {
    1: SRGB,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
_UNSPECIFIED = 2
_PQ, _HLG = 16, 18
_SDR_WHITE = 203.0  # cd/m2: white of ordinary content in an HDR picture, ITU-R BT.2408


@dataclass(frozen=True)
class ColorCodes:
    """Primaries and transfer curve by their codes.

    :param primaries: 1 is sRGB's, 9 BT.2020's, 12 Display P3's, 2 unspecified.
    :param transfer: 13 is sRGB's, 8 linear, 16 PQ, 18 HLG, 2 unspecified.
    """

    primaries: int
    transfer: int


def profile_of_codes(codes: ColorCodes) -> bytes | None:
    """Return the ICC profile of these colors, or None if they are sRGB's or unknown.

    Of HDR pictures, what is brighter than white of ordinary content is cut off. A warning says so, and
    names codes that are unknown.
    """
    primaries = PRIMARIES.get(codes.primaries, SRGB)
    curve = _curve(codes.transfer)
    known = codes.primaries in (*PRIMARIES, _UNSPECIFIED) and curve is not None
    if not known:
        log.warning(
            "The picture's color codes (primaries %d, transfer %d) are unknown; the colors may be off.",
            codes.primaries,
            codes.transfer,
        )
    if codes.transfer in (_PQ, _HLG):
        log.warning(
            "The picture is HDR (%s); what is brighter than ordinary white is cut off in the frame.",
            "PQ" if codes.transfer == _PQ else "HLG",
        )
    if primaries is SRGB and curve in (None, srgb_curve):
        return None
    return rgb_profile(primaries, curve or srgb_curve, name=f"CICP {codes.primaries}/{codes.transfer}")


def _curve(transfer: int) -> Curve | None:
    """Return the curve from encoded values to light; None for an unknown code.

    The curves of the BT.709 family describe cameras; screens show such pictures as they show sRGB.
    """
    curves: dict[int, Curve] = {
        4: gamma_curve(2.2),
        5: gamma_curve(2.8),
        8: gamma_curve(1.0),
        _PQ: _pq,
        17: lambda value: min(1.0, value**2.6 * 52.37 / 48),
        _HLG: _hlg,
    }
    if transfer in (1, _UNSPECIFIED, 6, 7, 11, 12, 13, 14, 15):
        return srgb_curve
    return curves.get(transfer)


def _pq(value: float) -> float:
    """Return the light of a PQ value (SMPTE ST 2084), 1.0 being white of ordinary content."""
    power = value ** (1 / 78.84375)
    light = max(power - 0.8359375, 0.0) / (18.8515625 - 18.6875 * power)
    return float(min(1.0, 10_000 / _SDR_WHITE * light ** (1 / 0.1593017578125)))


def _hlg(value: float) -> float:
    """Return the light of an HLG value (ITU-R BT.2100, 1000 cd/m2), 1.0 being white of ordinary content."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = value * value / 3 if value <= 0.5 else (math.exp((value - c) / a) + b) / 12
    return float(min(1.0, 1000 / _SDR_WHITE * scene**1.2))
