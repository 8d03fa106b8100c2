"""Clips and films signed with content credentials (C2PA): whose they are, and what a model has made of them.

A signature changes the file, but no packet of it. What a vendor has put into a clip stays in the file: as the
credentials of the clip that the signed one was made of.

Needs the extra ``c2pa``. The key is the user's own; this package brings none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_airflow import __version__
from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.clip_packets import packet_hash
from kling_airflow.media.credentials import find_credentials
from kling_airflow.media.limits import MAX_CLIP_PIXELS
from kling_airflow.redaction import in_short

ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
"""The signature algorithms of C2PA 2.1, section 13.2.1."""

# IPTC's words for what a model made, and for a work of parts of which some were made by a model.
_SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_CLIP, _FILM = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
_INSTALL = "Install kling_airflow[c2pa]."
_UNSIGNED = "Leave `signing_conn_id` out, and report it with the version of c2pa-python."


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """What a clip or a film is signed with.

    :param certificates: PEM, the signer's own first, then those that vouch for it.
    :param private_key: PEM (PKCS #8); never shown.
    :param algorithm: one of ``ALGORITHMS``.
    :param timestamp_url: a time stamp authority (RFC 3161); None for no time stamp.
    """

    certificates: str
    private_key: str = field(repr=False)
    algorithm: str = "es256"
    timestamp_url: str | None = None

    @property
    def name(self) -> str:
        """The hash of the certificates, by which a sidecar says with which key a file is signed."""
        return f"sha256:{hashlib.sha256(self.certificates.encode()).hexdigest()}"

    def check(self) -> None:
        """Refuse a key that can't be one, before anything is made with it.

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


def sign(
    path: Path,
    key: SigningKey,
    *,
    title: str,
    clips: Sequence[tuple[Path, str]],
    max_pixels: int = MAX_CLIP_PIXELS,
) -> None:
    """Sign a film in place. Its clips, with the credentials that they carry, become its ingredients.

    :param path: of the film's MP4 file; replaced only if signing succeeds.
    :param title: of the film.
    :param clips: file and title of each clip.
    :param max_pixels: of one picture; larger ones are refused.
    :raises InvalidArgument: the library is missing, or refuses the key or the certificates.
    """
    _sign("film", path, key, _manifest(title, _created(_FILM)), clips, max_pixels)


def sign_clip(
    path: Path, key: SigningKey, *, title: str, model: str | None, max_pixels: int = MAX_CLIP_PIXELS
) -> None:
    """Sign a clip in place. The credentials that it carries stay in the file, as those of its parent.

    :param path: of the clip's MP4 file; replaced only if signing succeeds and no packet has changed.
    :param title: of the clip.
    :param model: the one that made the clip, if that is known.
    :param max_pixels: of one picture; larger ones are refused.
    :raises InvalidArgument: the library is missing, or refuses the key or the certificates.
    :raises InvalidClip: the credentials that it carries can't be read.
    """
    if find_credentials(path) is None:
        _sign("clip", path, key, _manifest(title, _created(_CLIP, model)), [], max_pixels)
    else:
        _refuse_unreadable(path)
        _sign("clip", path, key, _manifest(title, []), [(path, title)], max_pixels)


def _sign(
    what: str,
    path: Path,
    key: SigningKey,
    manifest: dict[str, Any],
    parts: Sequence[tuple[Path, str]],
    max_pixels: int,
) -> None:
    """Sign a file in place.

    :param manifest: without actions for a file that is made of another; the library then names that one.
    :param parts: file and title of each ingredient.
    """
    c2pa = _library()
    signed = path.with_suffix(".signed.mp4")
    is_edit = not manifest["assertions"]
    try:
        with _signer(c2pa, key) as signer, c2pa.Builder(json.dumps(manifest)) as builder:
            if is_edit:
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            for part, name in parts:
                relationship = "parentOf" if is_edit else "componentOf"
                ingredient = {"title": name, "relationship": relationship, "format": "video/mp4"}
                with part.open("rb") as file:
                    builder.add_ingredient_from_stream(json.dumps(ingredient), "video/mp4", file)
            builder.sign_file(str(path), str(signed), signer)
        if packet_hash(signed, max_pixels) != packet_hash(path, max_pixels):
            raise InvalidClip(f"Signing has changed the pictures or the sound of the {what}.", todo=_UNSIGNED)
        signed.replace(path)
    except c2pa.C2paError as error:
        raise InvalidArgument(
            f"The {what} can't be signed: {in_short(error)}.",
            todo="Check the certificates and the key in the signing connection. C2PA wants a certificate that"
            " an authority has issued, with the extended key usage for e-mail or document signing.",
        ) from None  # its cause may quote the key
    finally:
        signed.unlink(missing_ok=True)


def _refuse_unreadable(path: Path) -> None:
    c2pa = _library()
    try:
        with c2pa.Reader(str(path)):
            pass
    except c2pa.C2paError as error:
        raise InvalidClip(
            f"The clip carries credentials (C2PA) that can't be read, and so not be kept: {in_short(error)}.",
            todo="Leave `signing_conn_id` out for this clip: it is then stored as it came.",
        ) from None


def _signer(c2pa: Any, key: SigningKey) -> Any:
    info = c2pa.C2paSignerInfo(
        key.algorithm.encode(),
        key.certificates.encode(),
        key.private_key.encode(),
        None if key.timestamp_url is None else key.timestamp_url.encode(),
    )
    return c2pa.Signer.from_info(info)


def _manifest(title: str, actions: list[dict[str, Any]]) -> dict[str, Any]:
    assertions = [{"label": "c2pa.actions.v2", "data": {"actions": actions}}] if actions else []
    return {
        "claim_generator_info": [{"name": "kling_airflow", "version": __version__}],
        "title": title,
        "format": "video/mp4",
        "assertions": assertions,
    }


def _created(source: str, model: str | None = None) -> list[dict[str, Any]]:
    """Return the action of a file that was made, and not changed: of what, and by which model."""
    action: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": f"{_SOURCES}{source}"}
    return [action | {"softwareAgent": {"name": model}}] if model else [action]


def _library() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise InvalidArgument(
            f"Signing needs the library c2pa, which is not there: {in_short(error)}.", todo=_INSTALL
        ) from error
    return c2pa
