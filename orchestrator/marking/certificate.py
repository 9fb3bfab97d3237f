"""A test certificate for signing: a root that nobody trusts, and a certificate that it issues."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lumen.errors import InvalidInputException

CHAIN: Final = "chain.pem"
KEY: Final = "key.pem"
ROOT: Final = "root.pem"

VALID_DAYS: Final = 365

WORTH: Final = (
    "It shows that a file was not changed since it was signed. It does not show who signed it: nobody "
    "vouches for its root, so others' programs call the signature valid but not trusted. For that, buy a "
    "certificate from an issuer of the C2PA's trust list and set SIGN_CERT and SIGN_KEY to it."
)
"""Warning of what a test certificate is worth."""


def make_test_chain(folder: Path) -> None:
    """Write ``chain.pem``, ``key.pem`` and ``root.pem``; the root's own key is thrown away.

    Raises:
        InvalidInputException: one of them is there, or the folder cannot be written.
    """
    names = (CHAIN, KEY, ROOT)
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise InvalidInputException(
            f"{folder / there[0]} is there already; remove it or name another folder with --folder"
        )
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _root(root_key)
    signing = _signing(key, root, root_key)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / KEY, private, 0o600)
        _write(folder / CHAIN, signing.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM), 0o644)
        _write(folder / ROOT, root.public_bytes(Encoding.PEM), 0o644)
    except OSError as error:
        raise InvalidInputException(
            f"{folder} cannot be written ({error.strerror}); name another one"
        ) from error


def _root(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("LUMEN test root")
    return (
        _certificate(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _signing(
    key: ec.EllipticCurvePrivateKey, root: x509.Certificate, root_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """A certificate as C2PA 2.1, 14.5, wants it: for signatures, its purpose told, issued by another."""
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    return (
        _certificate(_name("LUMEN test signer"), root.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(root_key, hashes.SHA256())
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    begin = datetime.now(UTC) - timedelta(minutes=5)  # the clocks of others may be behind
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "LUMEN test, not to be trusted")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a new file; others cannot read a key in the meantime."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
