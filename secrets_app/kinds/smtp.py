"""The kind `smtp`: server, TLS, sign-in and limits of an SMTP connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from secrets_app.kinds.base import ENVIRONMENT, KEEP, REMOVE, SecretForm
from secrets_app.kinds.environment_values import EnvironmentValues, VariableRow
from secrets_app.kinds.fields import (
    CertificatesField,
    CountField,
    HostField,
    MailAddressField,
    PortField,
    SecretTextField,
    TextField,
    read_certificates,
)
from secrets_app.kinds.kind_registry import register_kind
from secrets_app.kinds.smtp_presets import PRESETS, Tls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_stubs_ext import StrOrPromise


TLS_WORDS = {Tls.NONE: _("no TLS"), Tls.STARTTLS: _("STARTTLS"), Tls.SSL: _("implicit TLS")}
MECHANISMS: Mapping[str, StrOrPromise] = {
    "": _("Automatic"),
    "plain": "PLAIN",
    "login": "LOGIN",
    "cram-md5": "CRAM-MD5",
}  # RFC 4954
# 465: RFC 8314 section 3.3. Amazon SES also offers 2465 and 2587.
IMPLICIT_TLS_PORTS = frozenset({465, 2465})
STARTTLS_PORTS = frozenset({25, 587, 2587})


@register_kind
class SmtpForm(SecretForm):
    """The fields of `defaults` are stored; `timeout` is in seconds, a limit of 0 means none."""

    key: ClassVar[str] = "smtp"
    label: ClassVar[StrOrPromise] = _("SMTP server")
    icon: ClassVar[str] = "server"
    order: ClassVar[int] = 0
    secret_fields: ClassVar[tuple[str, ...]] = ("password",)
    reentry_on: ClassVar[tuple[str, ...] | None] = (
        "host",
        "port",
        "tls",
        "username",
        "ca_pem",
        "verify",
    )
    presets = PRESETS
    defaults: ClassVar[Mapping[str, Any]] = {
        "host": "",
        "port": 587,
        "tls": Tls.STARTTLS.value,
        "username": "",
        "sender": "",
        "mechanism": "",
        "ehlo_name": "",
        "timeout": 20.0,
        "ca_pem": "",
        "verify": True,
        "max_connections": 5,
        "mails_per_connection": 100,
        "per_second": 0,
        "per_minute": 0,
        "per_hour": 0,
        "per_day": 0,
    }
    sections: ClassVar[tuple[tuple[StrOrPromise, tuple[tuple[str, ...], ...]], ...]] = (
        ("", (("name",),)),
        (_("Server"), (("host", "port"), ("tls",))),
        (_("Sign-in"), (("username",), ("password",))),
        (_("Sender"), (("sender",), ("available_to_system",))),
        (
            _("Limits"),
            (("max_connections", "mails_per_connection"), ("per_second", "per_minute"), ("per_hour", "per_day")),
        ),
        (_("Advanced"), (("mechanism",), ("ehlo_name", "timeout"), ("ca_pem",), ("skip_verification",))),
    )

    host = HostField(label=_("Host"), connects=True, help_text=_("Name or IP address, for example smtp.example.com."))
    port = PortField(label=_("Port"), initial=587, help_text=_("587 for STARTTLS, 465 for implicit TLS."))
    tls = forms.ChoiceField(
        label=_("Encryption"),
        choices=Tls.choices,
        initial=Tls.STARTTLS,
        widget=forms.RadioSelect(attrs={"class": "cards"}),
        help_text=_(
            "With “None”, everything is sent unencrypted, including the password. Only for relays on this machine."
        ),
    )
    username = TextField(
        label=_("User"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        help_text=_("Leave user and password empty if the server requires neither."),
    )
    password = SecretTextField(label=_("Password"), help_text=_("Stored encrypted and used exactly as entered."))
    sender = MailAddressField(
        label=_("Sender address"),
        required=False,
        help_text=_("Enter it if the server accepts only one sender. Empty: the address from the mail settings."),
    )
    mechanism = forms.ChoiceField(
        label=_("Sign-in method"),
        choices=list(MECHANISMS.items()),
        required=False,
        help_text=_("Automatic: the first that the server offers of PLAIN, LOGIN and CRAM-MD5."),
    )
    ehlo_name = HostField(
        label=_("EHLO name"),
        connects=False,
        required=False,
        help_text=_("The name this machine sends in EHLO. Empty: its host name."),
    )
    timeout = forms.FloatField(
        label=_("Timeout"),
        min_value=1,
        max_value=600,
        initial=20,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=_("Seconds to wait for a reply, 1 to 600."),
    )
    ca_pem = CertificatesField(
        label=_("Private certificate authority"),
        help_text=_("In PEM format, if the server's certificate is signed by an authority of your own."),
    )
    skip_verification = forms.BooleanField(
        label=_("Do not check the server's certificate"),
        required=False,
        help_text=_(
            "Dangerous: anyone between this machine and the server can then read the password and every message. "
            "Add the certificate of your authority above instead."
        ),
    )

    max_connections = CountField(_("Concurrent connections"), 1, 50, 5, _("Per worker, 1 to 50."))
    mails_per_connection = CountField(
        _("Messages per connection"), 1, 10_000, 100, _("After that, it is closed and a new one is opened.")
    )
    per_second = CountField(_("Messages per second"), 0, 100_000, 0, _("For all workers together. 0: no limit."))
    per_minute = CountField(_("Messages per minute"), 0, 1_000_000, 0)
    per_hour = CountField(_("Messages per hour"), 0, 10_000_000, 0)
    per_day = CountField(_("Messages per day"), 0, 100_000_000, 0)

    @classmethod
    def environment_id(cls) -> str:
        """Return ``environment``, which is stored in logs and settings, without the key of the kind."""
        return ENVIRONMENT

    @classmethod
    @sensitive_variables()
    def from_environment(cls) -> EnvironmentValues | None:
        """Return the connection that the MAIL_* variables define. They are validated with the other mail settings."""
        mail = settings.MAIL
        if not mail.host:
            return None
        port = mail.port or (465 if mail.tls == Tls.SSL else 587)
        fields = {
            **cls.defaults,
            "host": mail.host,
            "port": port,
            "tls": mail.tls or (Tls.SSL if port == 465 else Tls.STARTTLS).value,
            "username": mail.username,
            "sender": "",  # MAIL_FROM_ADDRESS is the default sender, whatever the connection
            "ehlo_name": mail.ehlo_name,
            "timeout": float(mail.timeout or cls.defaults["timeout"]),
            "ca_pem": mail.ca_pem,
        }
        return EnvironmentValues(fields=fields, secrets={"password": mail.password} if mail.password else {})

    @classmethod
    def environment_rows(cls, fields: Mapping[str, Any] | None) -> list[VariableRow]:
        """Return the MAIL_* variables that define a connection."""
        mail, used = settings.MAIL, fields or {}
        yes = _("set")
        rows = (
            ("MAIL_HOST", mail.host, ""),
            ("MAIL_PORT", mail.port, used.get("port", "")),
            ("MAIL_ENCRYPTION", mail.tls, used.get("tls", "")),
            ("MAIL_USERNAME", mail.username, ""),
            ("MAIL_PASSWORD", mail.password and yes, ""),
            ("MAIL_EHLO_NAME", mail.ehlo_name, ""),
            ("MAIL_TIMEOUT", mail.timeout and f"{mail.timeout:g} s", used and f"{used['timeout']:g} s"),
            ("MAIL_CA_FILE", mail.ca_pem and yes, ""),
        )
        return [VariableRow(name, str(value or default or ""), bool(value)) for name, value, default in rows]

    @classmethod
    def stored_names(cls) -> tuple[str, ...]:
        """Return the names of the stored fields. `verify` is stored; the form has `skip_verification`."""
        return tuple(cls.defaults)

    @classmethod
    def field_label(cls, name: str) -> StrOrPromise:
        return _("Certificate check") if name == "verify" else super().field_label(name)

    @classmethod
    def initial_values(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Turn `verify` into `skip_verification`."""
        timeout = float(stored["timeout"])
        return {
            **stored,
            "timeout": int(timeout) if timeout.is_integer() else timeout,
            "skip_verification": not stored["verify"],
        }

    @classmethod
    def summary(cls, stored: Mapping[str, Any]) -> tuple[str, StrOrPromise]:
        """Return ``host:port`` and the TLS mode."""
        host = f"[{stored['host']}]" if ":" in stored["host"] else stored["host"]
        return f"{host}:{stored['port']}", TLS_WORDS.get(stored["tls"], stored["tls"])

    @classmethod
    def facts(cls, stored: Mapping[str, Any]) -> list[tuple[StrOrPromise, StrOrPromise]]:
        """Return label and displayed value of each stored field; certificates as subject and expiry date."""
        readable: dict[str, StrOrPromise] = {
            "tls": TLS_WORDS.get(stored["tls"], stored["tls"]),
            "mechanism": MECHANISMS.get(stored["mechanism"], stored["mechanism"]),
            "timeout": _("%(seconds)g s") % {"seconds": float(stored["timeout"])},
            "verify": _("On") if stored["verify"] else _("Off"),
            "ca_pem": _describe_certificates(stored["ca_pem"]),
        }
        return [(cls.field_label(n), readable.get(n, str(stored.get(n, ""))) or "-") for n in cls.stored_names()]

    @classmethod
    def reentry_causes(cls, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
        """Return the causes, without a certificate check that is switched on: it makes nothing less safe."""
        causes = super().reentry_causes(before, now)
        return [name for name in causes if name != "verify" or not now[name]]

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Check that port and TLS mode, and user and password, go together; turn `skip_verification` into `verify`."""
        self.cleaned_data["verify"] = not self.cleaned_data["skip_verification"]
        super().clean()
        data = self.cleaned_data
        port, tls = data.get("port"), data.get("tls")
        if port in IMPLICIT_TLS_PORTS and tls in {Tls.NONE, Tls.STARTTLS}:
            text = _("Port %(port)s expects implicit TLS. Choose it, or use port 587 with STARTTLS.")
            self.add_error("tls", text % {"port": port})
        if port in STARTTLS_PORTS and tls == Tls.SSL:
            text = _("Port %(port)s does not start with TLS. Choose STARTTLS, or use port 465.")
            self.add_error("tls", text % {"port": port})
        if "username" in data and "password" in data:
            self._check_sign_in(data["username"], has_password=self._will_have_password())
        return data

    def _will_have_password(self) -> bool:
        action = self.action("password")
        return action == KEEP or (action != REMOVE and bool(self.cleaned_data["password"]))

    def _check_sign_in(self, username: str, *, has_password: bool) -> None:
        if username and not has_password:
            self.add_error(
                "password", _("Enter a password for this user. Leave both empty if the server requires neither.")
            )
        elif has_password and not username:
            self.add_error(
                "username", _("Enter the user of this password. Remove the password if the server requires neither.")
            )

    @sensitive_variables()
    def full_clean(self) -> None:
        """Remove a private key that was pasted by mistake, so that the page does not repeat it."""
        super().full_clean()
        if self.is_bound and self.has_error("ca_pem", code="private_key"):
            self._show_instead({"ca_pem": ""})


def _describe_certificates(pem: str) -> str:
    """Return subject and expiry date of each certificate."""
    if not pem:
        return ""
    return "; ".join(
        f"{certificate.subject.rfc4514_string()} ({date_format(certificate.not_valid_after_utc, 'j M Y')})"
        for certificate in read_certificates(pem)
    )
