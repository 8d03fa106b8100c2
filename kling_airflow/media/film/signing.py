"""A film signed with content credentials (C2PA): who made it, and of which clips, which a model made.

Needs the extra ``c2pa``. The key is the user's own; this package brings none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_airflow import __version__
from kling_airflow.errors import InvalidArgument, in_short

ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
"""The signature algorithms of C2PA 2.1, section 13.2.1."""

# IPTC's word for a work put together of parts of which some were made by a model.
_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_INSTALL = "Install kling_airflow[c2pa]."


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """What a film is signed with.

    :param certificates: PEM, the signer's own first, then those that vouch for it.
    :param private_key: PEM (PKCS #8); never shown.
    :param algorithm: one of ``ALGORITHMS``.
    :param timestamp_url: a time stamp authority (RFC 3161); None for no time stamp.
    """

    certificates: str
    private_key: str = field(repr=False)
    algorithm: str = "es256"
    timestamp_url: str | None = None

    def check(self) -> None:
        """Refuse a key that can't be one, before a film is made.

        :raises InvalidArgument: naming what is wrong, without the key.
        """
        if self.algorithm not in ALGORITHMS:
            raise InvalidArgument(
                f"The signing key's algorithm is {self.algorithm!r}; it must be one of"
                f" {', '.join(ALGORITHMS)}."
            )
        for what, text, mark in (
            ("certificates", self.certificates, "-----BEGIN CERTIFICATE-----"),
            ("private key", self.private_key, "PRIVATE KEY-----"),
        ):
            if mark not in text:
                raise InvalidArgument(f"The signing key's {what} are not PEM.")
        _library()


def sign(path: Path, key: SigningKey, *, title: str, clips: Sequence[tuple[Path, str]]) -> None:
    """Sign a film in place. Its clips, with the credentials that they carry, become its ingredients.

    :param path: of the film's MP4 file; replaced only if signing succeeds.
    :param title: of the film.
    :param clips: file and title of each clip.
    :raises InvalidArgument: the library is missing, or refuses the key or the certificates.
    """
    c2pa = _library()
    signed = path.with_suffix(".signed.mp4")
    try:
        info = c2pa.C2paSignerInfo(
            key.algorithm.encode(),
            key.certificates.encode(),
            key.private_key.encode(),
            None if key.timestamp_url is None else key.timestamp_url.encode(),
        )
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(_manifest(title))) as builder:
            for clip, name in clips:
                ingredient = {"title": name, "relationship": "componentOf", "format": "video/mp4"}
                with clip.open("rb") as file:
                    builder.add_ingredient_from_stream(json.dumps(ingredient), "video/mp4", file)
            builder.sign_file(str(path), str(signed), signer)
        signed.replace(path)
    except c2pa.C2paError as error:
        raise InvalidArgument(
            f"The film can't be signed: {in_short(error)}.",
            todo="Check the certificates and the key in the signing connection. C2PA wants a certificate that"
            " an authority has issued, with the extended key usage for e-mail or document signing.",
        ) from None  # its cause may quote the key
    finally:
        signed.unlink(missing_ok=True)


def _manifest(title: str) -> dict[str, Any]:
    return {
        "claim_generator_info": [{"name": "kling_airflow", "version": __version__}],
        "title": title,
        "format": "video/mp4",
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": _SOURCE}]},
            }
        ],
    }


def _library() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise InvalidArgument(
            f"Signing needs the library c2pa, which is not there: {in_short(error)}.", todo=_INSTALL
        ) from error
    return c2pa
