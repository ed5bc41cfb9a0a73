"""Form fields of secrets: text without control characters, hosts, ports, email addresses, certificates.

Every length is limited. Nothing here uses the network.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any

import idna
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from email_validator import EmailNotValidError, validate_email

from secrets_app.egress_rules import check_host, check_port
from secrets_app.models import MAX_NAME, name_key

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# C0, DEL, C1, line and paragraph separators, lone surrogates, and U+FFFD, which replaces bytes that were not UTF-8.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffd]")
CONTROL_IN_PEM = re.compile("[^\t\n\r\x20-\x7e]")
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
PLAIN_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
MAX_PEM = 64 * 1024  # characters; enough for about twenty certificates
CONTROL_TEXT = _("Control characters are not allowed.")


class TextField(forms.CharField):
    """One line of text without control characters."""

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "")
        if CONTROL.search(text):
            raise ValidationError(CONTROL_TEXT, code="control")
        return text


class NameField(TextField):
    """The name of a secret; runs of spaces become one space."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Name"),
            max_length=MAX_NAME,
            help_text=_("The name shown to people and in the log, for example “Office relay”."),
        )

    def to_python(self, value: Any) -> str:
        text = " ".join(super().to_python(value).split())
        if len(name_key(text)) > 4 * MAX_NAME:
            raise ValidationError(_("This name is too long."), code="max_length")
        return text


class RevisionField(forms.IntegerField):
    """The revision that the form was opened with (hidden). A save from an older revision is refused."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(label=_("Revision"), min_value=1, max_value=2**31 - 1)


class SecretTextField(forms.CharField):
    """A password, used exactly as entered and never rendered."""

    def __init__(self, *, label: Any, help_text: Any = "", max_length: int = 1000) -> None:
        super().__init__(
            label=label,
            required=False,
            strip=False,
            max_length=max_length,
            widget=forms.PasswordInput(
                render_value=False, attrs={"autocomplete": "new-password", "spellcheck": "false"}
            ),
            help_text=help_text,
        )

    @sensitive_variables()
    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "")
        if CONTROL.search(text):
            raise ValidationError(CONTROL_TEXT, code="control")
        if text and not text.strip():
            raise ValidationError(_("This contains only spaces."), code="blank")
        return text


class HostField(TextField):
    """A host name (RFC 1123 2.1, IDNA 2008) or an IP address."""

    def __init__(self, *, connects: bool, **options: Any) -> None:
        """`connects`: connections are made to this host, so the egress rules apply."""
        self.connects = connects
        attrs = {"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        super().__init__(max_length=253, widget=forms.TextInput(attrs=attrs), **options)

    def to_python(self, value: Any) -> str:
        """Return the host in lower case, without a final dot and without brackets around an IPv6 address."""
        host = super().to_python(value).lower().removesuffix(".")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        return host

    def validate(self, value: Any) -> None:
        """Raise ValidationError for anything but a host, and for a target that the egress rules refuse."""
        super().validate(value)
        if not value or len(value) > 253:  # the length validator reports this
            return
        if "://" in value or "/" in value or "@" in value or re.search(r"^[^:]+:\d*$", value):
            raise ValidationError(_("Enter only the host, such as smtp.example.com, without user, path or port."))
        if ":" not in value and not _is_host_name(value):
            raise ValidationError(_("Enter a host name, such as smtp.example.com, or an IP address."))
        if self.connects or ":" in value:
            try:
                check_host(value, private_hosts=settings.MAIL.private_hosts or not self.connects)
            except ValueError as error:
                raise ValidationError(str(error), code="target") from error


def _is_host_name(text: str) -> bool:
    """Whether `text` is a host name, or an IPv4 address in any spelling."""
    try:
        name = text if text.isascii() else idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        return False
    return len(name) <= 253 and all(LABEL.fullmatch(label) for label in name.split("."))


class PortField(forms.IntegerField):
    """A TCP port to which the egress rules allow connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=65535, **options)

    def validate(self, value: Any) -> None:
        """Raise ValidationError for a port that the egress rules refuse."""
        super().validate(value)
        if value is not None and 1 <= value <= 65535:
            try:
                check_port(value)
            except ValueError as error:
                raise ValidationError(str(error), code="target") from error


class MailAddressField(TextField):
    """One email address. Its domain may be a plain host name such as localhost, for local relays."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}), **options)

    def validate(self, value: Any) -> None:
        """Raise ValidationError for anything but ``local@domain`` (RFC 5322 3.4.1 without its obsolete forms)."""
        super().validate(value)
        if not value or len(value) > 254:
            return
        local, _at, domain = value.rpartition("@")
        # Special-use domains (localhost, .local, .test) are refused by email-validator but used by local relays.
        checked = f"{local}@example.com" if PLAIN_HOST.fullmatch(domain) else value
        try:
            validate_email(checked, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            raise ValidationError(_("Enter one email address, such as mail@example.com.")) from None
        if "=?" in value:  # some mail programs would decode it as an encoded word (RFC 2047 5 (3))
            raise ValidationError(_("Enter one email address, such as mail@example.com."))


class CertificatesField(forms.CharField):
    """PEM certificates of the authorities trusted for this server."""

    def __init__(self, **options: Any) -> None:
        attrs = {"rows": 5, "class": "mono", "spellcheck": "false", "placeholder": "-----BEGIN CERTIFICATE-----"}
        super().__init__(max_length=MAX_PEM, widget=forms.Textarea(attrs=attrs), required=False, **options)

    @sensitive_variables()
    def clean(self, value: Any) -> str:
        """Return only the certificates, re-encoded as PEM. Raises ValidationError if there is anything else to read."""
        text = str(super().clean(value) or "")
        if not text:
            return ""
        if PRIVATE_KEY.search(text):
            message = _("This is a private key. It was not stored. Keep it secret, and paste only the certificate.")
            raise ValidationError(message, code="private_key")
        if CONTROL_IN_PEM.search(text):
            raise ValidationError(_("A PEM certificate contains only ASCII characters."), code="control")
        certificates = read_certificates(text)
        if certificates and max(c.not_valid_after_utc for c in certificates) < timezone.now():
            raise ValidationError(_("This certificate has expired."), code="expired")
        return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


def read_certificates(pem: str) -> list[x509.Certificate]:
    """Return the certificates in `pem`. Raises ValidationError unless OpenSSL accepts each one as an authority."""
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        ssl.create_default_context(cadata="".join(c.public_bytes(Encoding.PEM).decode() for c in certificates))
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm, ssl.SSLError):
        message = _("This is not a valid certificate. Paste all of it, including the BEGIN and END lines.")
        raise ValidationError(message, code="pem") from None
    return certificates


class CountField(forms.IntegerField):
    """A whole number within bounds; if left empty, the initial value."""

    def __init__(
        self, label: StrOrPromise, lowest: int, highest: int, initial: int, help_text: StrOrPromise = ""
    ) -> None:
        super().__init__(
            label=label, min_value=lowest, max_value=highest, initial=initial, help_text=help_text, required=False
        )

    def clean(self, value: Any) -> int:
        number = super().clean(value)
        return int(self.initial) if number is None else number
