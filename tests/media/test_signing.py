"""Signed films and clips, as the C2PA library itself reads them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.clip_packets import packet_hash
from kling_airflow.media.credentials import find_credentials
from kling_airflow.media.film.join import join
from kling_airflow.media.signing import SigningKey, sign, sign_clip
from tests.media.credentials import with_credentials
from tests.media.film.clips import clap


def make_key() -> SigningKey:
    """A key whose certificate an authority of this test has issued."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Test root", "Test root", root_key, root_key, is_authority=True)
    own = _certificate("A studio", "Test root", key, root_key, is_authority=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    chain = "".join(each.public_bytes(pem).decode() for each in (own, root))
    return SigningKey(certificates=chain, private_key=private)


def _certificate(
    name: str,
    by: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, text),
                x509.NameAttribute(NameOID.COMMON_NAME, text),
            ]
        )

    now = datetime.now(UTC)
    usage = {
        "digital_signature": not is_authority,
        "key_cert_sign": is_authority,
        "crl_sign": is_authority,
        **dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        ),
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not is_authority:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(signer, hashes.SHA256())


def test_a_film_is_signed_and_still_plays(tmp_path: Path) -> None:
    c2pa = pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")
    clips = [clap(tmp_path / f"{name}.mp4", at=at) for name, at in (("one", 3), ("two", 6))]
    film = join(clips, tmp_path / "film.mp4")
    sign(film.path, make_key(), title="launch", clips=[(path, path.stem) for path in clips])
    assert find_credentials(film.path) is not None
    assert check_clip(film.path, duration=film.seconds, sound=True).width == 64
    with c2pa.Reader(str(film.path)) as reader:
        said = json.loads(reader.json())
    manifest = said["manifests"][said["active_manifest"]]
    assert manifest["title"] == "launch"
    assert [ingredient["title"] for ingredient in manifest["ingredients"]] == ["one", "two"]
    assert "compositeWithTrainedAlgorithmicMedia" in json.dumps(manifest["assertions"])
    # The test's own authority is on no list of trust: that is all that is wrong with it.
    problems = {status["code"] for status in said.get("validation_status", [])}
    assert problems <= {"signingCredential.untrusted"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "one.mp4", "two.mp4"]


def signed_manifest(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the library reads: the newest manifest, and all of them."""
    import c2pa

    with c2pa.Reader(str(path)) as reader:
        said = json.loads(reader.json())
    problems = {status["code"] for status in said.get("validation_status", [])}
    assert problems <= {"signingCredential.untrusted"}
    return said["manifests"][said["active_manifest"]], said["manifests"]


def test_a_clip_is_signed_as_what_a_model_has_made(tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")
    clip = clap(tmp_path / "clip.mp4")
    before = packet_hash(clip)
    sign_clip(clip, make_key(), title="launch", model="kling-v3-image-to-video")
    manifest, _ = signed_manifest(clip)
    (actions,) = (each for each in manifest["assertions"] if each["label"].startswith("c2pa.actions"))
    (action,) = actions["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert action["softwareAgent"]["name"] == "kling-v3-image-to-video"
    assert (manifest["title"], manifest.get("ingredients", [])) == ("launch", [])
    assert packet_hash(clip) == before
    assert check_clip(clip, duration=1, sound=True).width == 64


def test_a_vendors_credentials_stay_in_a_signed_clip(tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")
    clip = clap(tmp_path / "clip.mp4")
    sign_clip(clip, make_key(), title="from the vendor", model="kling")
    vendors, _ = signed_manifest(clip)
    before = packet_hash(clip)
    sign_clip(clip, make_key(), title="launch", model="kling")
    manifest, all_of_them = signed_manifest(clip)
    assert manifest["title"] == "launch"
    (parent,) = manifest["ingredients"]
    assert parent["relationship"] == "parentOf"
    assert all_of_them[parent["active_manifest"]]["title"] == vendors["title"] == "from the vendor"
    (actions,) = (each for each in manifest["assertions"] if each["label"].startswith("c2pa.actions"))
    assert [action["action"] for action in actions["data"]["actions"]] == ["c2pa.opened"]
    assert packet_hash(clip) == before
    assert check_clip(clip, duration=1, sound=True).width == 64


def test_a_vendors_broken_credentials_are_not_dropped_in_silence(tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(with_credentials(clap(tmp_path / "plain.mp4").read_bytes()))
    before = clip.read_bytes()
    with pytest.raises(InvalidClip, match=r"credentials \(C2PA\) that can't be read") as caught:
        sign_clip(clip, make_key(), title="launch", model=None)
    assert "Leave `signing_conn_id` out for this clip" in str(caught.value)
    assert clip.read_bytes() == before


@pytest.mark.parametrize("changed", [b"another", b""])
def test_a_library_that_changes_the_pictures_is_not_believed(
    tmp_path: Path, changed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    c2pa = pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")
    clip = clap(tmp_path / "clip.mp4", at=4)
    before, other = clip.read_bytes(), clap(tmp_path / "other.mp4", at=9).read_bytes()

    def spoil(self: Any, source: str, target: str, signer: Any) -> None:
        Path(target).write_bytes(other if changed else before[: len(before) // 2])

    monkeypatch.setattr(c2pa.Builder, "sign_file", spoil)
    with pytest.raises(InvalidClip, match="Signing has changed the pictures|can't be read as MP4"):
        sign_clip(clip, make_key(), title="x", model=None)
    assert clip.read_bytes() == before


def test_a_refused_key_leaves_the_film_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")
    film = clap(tmp_path / "film.mp4")
    before, good = film.read_bytes(), make_key()
    wrong = SigningKey(certificates=good.certificates, private_key=make_key().private_key)
    broken = SigningKey(certificates=good.certificates, private_key="-----BEGIN PRIVATE KEY-----\nAAAA")
    for key in (wrong, broken):
        with pytest.raises(InvalidArgument, match="The film can't be signed") as caught:
            sign(film, key, title="x", clips=[])
        assert key.private_key not in str(caught.value)
        assert film.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_the_key_is_not_shown() -> None:
    key = make_key()
    assert "PRIVATE KEY" not in repr(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"algorithm": "md5"}, "algorithm is 'md5'"),
        ({"certificates": "x"}, "certificates are not PEM"),
        ({"private_key": "x"}, "private key are not PEM|private key"),
    ],
)
def test_what_is_no_key(change: dict[str, str], message: str) -> None:
    good = make_key()
    given = {"certificates": good.certificates, "private_key": good.private_key} | change
    with pytest.raises(InvalidArgument, match=message):
        SigningKey(**given).check()


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(InvalidArgument, match=r"Install kling_airflow\[c2pa\]"):
        make_key().check()
