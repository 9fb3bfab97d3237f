"""Signed provenance (C2PA): a record of how a file was made, bound to its bytes by a signature.

The operator brings the certificate and its key. The library signs a copy; the file is replaced by it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import c2pa  # type: ignore[import-untyped]  # has no stubs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from lumen import __version__
from lumen.errors import GenerationException, InvalidInputException
from orchestrator.store.files import PendingFile

SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""Vocabulary of the IPTC that says of what a file was made."""

TRAINED: Final = "trainedAlgorithmicMedia"
COMPOSITE: Final = "compositeWithTrainedAlgorithmicMedia"

MEDIA_TYPES: Final = {
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
}
"""Kinds of files that the library signs, by suffix; Ogg is none of them."""

CURVES: Final = {
    "secp256r1": c2pa.C2paSigningAlg.ES256,
    "secp384r1": c2pa.C2paSigningAlg.ES384,
    "secp521r1": c2pa.C2paSigningAlg.ES512,
}

NO_THUMBNAIL: Final = {"builder": {"thumbnail": {"enabled": False}}}


@dataclass(frozen=True)
class Checked:
    """Findings of the library about a signed file.

    Attributes:
        state: Trusted, Valid (unchanged, but nobody vouches for the certificate) or Invalid.
        failures: codes of what is wrong. issuer: of the certificate.
        actions: of the record, as they were written.
    """

    state: str
    failures: Sequence[str]
    issuer: str
    actions: Sequence[Mapping[str, Any]]

    @property
    def valid(self) -> bool:
        """Whether the file is unchanged since it was signed, whoever signed it."""
        return self.state in ("Valid", "Trusted")


class ProvenanceSigner:
    """Signs finished files with an operator's certificate; may be used from several threads.

    Raises:
        InvalidInputException: the certificate or the key cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        try:
            chain, private = certificate.read_bytes(), key.read_bytes()
            algorithm = _algorithm(x509.load_pem_x509_certificates(chain)[0])
            info = c2pa.C2paSignerInfo(algorithm, chain, private, None)
            self._signer = c2pa.Signer.from_info(info)
            self._context = c2pa.Context.from_dict(NO_THUMBNAIL)
        except (OSError, ValueError, c2pa.C2paError) as error:
            raise InvalidInputException(
                f"SIGN_CERT ({certificate}) and SIGN_KEY ({key}) cannot be used: {error}. They are PEM "
                "files: the chain, the signing certificate first, and its key in PKCS #8."
            ) from error

    def sign(self, path: Path, final: Path, title: str, source_type: str, parts: Mapping[str, str]) -> bool:
        """Replace a file by its signed copy; False where its kind cannot be signed.

        Args:
            final: its name to be, which tells its kind.

        Raises:
            GenerationException: the library fails.
        """
        media_type = MEDIA_TYPES.get(final.suffix)
        if media_type is None:
            return False
        copy = PendingFile(final)
        with copy.discarded_on_error():
            try:
                with (
                    c2pa.Builder(json.dumps(_manifest(title, source_type, parts)), self._context) as builder,
                    path.open("rb") as source,
                    copy.path.open("w+b") as signed,
                ):
                    builder.sign(self._signer, media_type, source, signed)
            except c2pa.C2paError as error:
                raise GenerationException(f"{final.name} cannot be signed: {error}") from error
            os.replace(copy.path, path)
        return True


def check_signature(path: Path, anchors: str | None = None) -> Checked | None:
    """Check a file's provenance record; None where it has none.

    Args:
        anchors: certificates that are trusted, PEM.

    Raises:
        InvalidInputException: the library does not read this kind of file.
    """
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        known = ", ".join(MEDIA_TYPES)
        raise InvalidInputException(f"{path} cannot carry a signature; expected one of {known}.")
    trust = {"trust": {"trust_anchors": anchors}} if anchors else {}
    try:
        with (
            c2pa.Context.from_dict(trust) as context,
            path.open("rb") as file,
            c2pa.Reader(media_type, file, context=context) as reader,
        ):
            return _checked(reader)
    except c2pa.C2paError as error:
        if "ManifestNotFound" in str(error) or "ManifestNotFound" in type(error).__name__:
            return None
        raise InvalidInputException(f"{path} cannot be read: {error}") from error


def _checked(reader: c2pa.Reader) -> Checked:
    manifest = reader.get_active_manifest() or {}
    results = (reader.get_validation_results() or {}).get("activeManifest", {})
    actions: list[Any] = []
    for assertion in manifest.get("assertions", []):
        if assertion["label"].startswith("c2pa.actions"):
            actions += assertion["data"]["actions"]
    return Checked(
        state=str(reader.get_validation_state()),
        failures=[failure["code"] for failure in results.get("failure", [])],
        issuer=manifest.get("signature_info", {}).get("issuer", ""),
        actions=actions,
    )


def _manifest(title: str, source_type: str, parts: Mapping[str, str]) -> dict[str, Any]:
    software = {"name": "LUMEN", "version": __version__}
    created = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPES + source_type,
        "softwareAgent": software,
        "parameters": {"org.lumen.parts": dict(parts)},
    }
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [created]}}
    return {"claim_generator_info": [software], "title": title, "assertions": [actions]}


def _algorithm(certificate: x509.Certificate) -> c2pa.C2paSigningAlg:
    """The algorithm of C2PA that a certificate's key is for.

    Raises:
        ValueError: there is none.
    """
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return c2pa.C2paSigningAlg.ED25519
    if isinstance(key, rsa.RSAPublicKey):
        return c2pa.C2paSigningAlg.PS256
    raise ValueError("its key is of no kind that C2PA takes: ECDSA on P-256, P-384, P-521, Ed25519, RSA")
