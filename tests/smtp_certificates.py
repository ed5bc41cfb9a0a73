"""Certificates for the tests' SMTP servers: a small authority of our own, and every kind of faulty one."""

import datetime
import ssl
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES = ("localhost", "127.0.0.1", "::1")
KINDS = ("good", "wrong-name", "expired", "not-yet-valid", "self-signed", "unknown-authority")


@cache
def authority() -> trustme.CA:
    """The one that the tests trust."""
    return trustme.CA()


def kept_authority(folder: Path) -> trustme.CA:
    """The authority whose files are in `folder`, made there at the first call, so that a restart keeps it."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    made = trustme.CA()
    made.private_key_pem.write_to_path(str(key))
    key.chmod(0o600)
    made.cert_pem.write_to_path(str(certificate))
    return made


@cache
def server_context(kind: str = "good") -> ssl.SSLContext:
    """A server's context with a certificate of that kind (see KINDS)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    if kind == "self-signed":
        load_self_signed(context)
        return context
    issuer = trustme.CA() if kind == "unknown-authority" else authority()
    times: dict[str, Any] = {
        "expired": {"not_before": now - 10 * day, "not_after": now - day},
        "not-yet-valid": {"not_before": now + day, "not_after": now + 10 * day},
    }.get(kind, {})
    names = ("mail.elsewhere.example",) if kind == "wrong-name" else NAMES
    issuer.issue_cert(*names, **times).configure_cert(context)
    return context


def outdated_context() -> ssl.SSLContext:
    """A server's context that knows nothing newer than TLS 1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    authority().issue_cert(*NAMES).configure_cert(context)
    return context


def load_self_signed(context: ssl.SSLContext) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.flush()
        context.load_cert_chain(file.name)
