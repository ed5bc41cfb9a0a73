"""What a server's certificate says, for a connection check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from mailadmin.drivers.sanitizing import sanitize

if TYPE_CHECKING:
    from datetime import datetime

WARN_DAYS = 21  # days before its end in which a certificate's text says so


@dataclass(frozen=True, slots=True)
class Certificate:
    """Each text is one sanitized line. `names`: the first three that it is for. `expires_at` is aware, in UTC."""

    names: str
    issuer: str
    expires_at: datetime

    def text(self, now: datetime) -> str:
        """Return names, issuer and end in a sentence, and how many days are left if they are few."""
        facts = {
            "names": self.names or gettext("no name"),
            "issuer": self.issuer,
            "until": date_format(timezone.localtime(self.expires_at), "j M Y"),
        }
        text = gettext("Certificate for %(names)s by %(issuer)s, valid until %(until)s") % facts
        left = (self.expires_at - now).days
        return f"{text}. {gettext('It expires in %d days.') % left}" if 0 <= left < WARN_DAYS else text


def read_certificate(der: bytes) -> Certificate | None:
    """Return what a certificate in DER says, None if it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            addresses = [str(one) for one in found.get_values_for_type(x509.IPAddress)]
            names = [*found.get_values_for_type(x509.DNSName), *addresses]
        except x509.ExtensionNotFound:
            names = []
        issuer = certificate.issuer
        who = issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME) or issuer.get_attributes_for_oid(
            NameOID.COMMON_NAME
        )
        return Certificate(
            names=sanitize(", ".join(names[:3]), limit=200),
            issuer=sanitize(str(who[0].value) if who else issuer.rfc4514_string(), limit=200),
            expires_at=certificate.not_valid_after_utc.astimezone(UTC),
        )
    except Exception:  # noqa: BLE001  (a parser of another machine's octets; nothing depends on the certificate's text)
        return None
