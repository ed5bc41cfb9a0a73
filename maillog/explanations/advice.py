"""What to do, by the key of what is the matter (`maillog.explanations.meanings`). Pure data: short steps, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

CHECK_ADDRESS = _("Check the address for typing errors.")
CHECK_DOMAIN = _("Check SPF, DKIM and DMARC of the sender's domain.")
OTHER_CONTACT = _("Contact the recipient in another way and ask for an address that works.")
ASK_OPERATOR = _("Contact the operator of the server and quote its reply.")
NOTHING_LOST = _("Nothing is lost: messages wait, and are sent automatically once the limit has ended.")
OWN_LIMIT = _("Set a limit in the connection below that of the provider, or ask the provider for a higher one.")
CERTIFICATE_OPERATOR = _("Ask the operator of the server for a new certificate: it cannot be fixed here.")
TRUST_CERTIFICATE = _("If the server is yours, paste its certificate into the connection, under Advanced.")
COMPARE_HOST = _("Compare the host with the one that the provider gives, letter by letter.")
COMPARE_PORT = _("Compare host and port with what the provider gives: usually 587 for STARTTLS, 465 for implicit TLS.")

ADVICE: dict[str, tuple[_StrPromise, ...]] = {
    # ------------------------------------------------------------ recipient
    "mailbox-missing": (CHECK_ADDRESS, _("Ask the recipient, in another way, whether it still exists.")),
    "mailbox-moved": (_("Ask the recipient, in another way, for the new address."),),
    "mailbox-disabled": (_("The mailbox is closed."), OTHER_CONTACT),
    "mailbox-full": (
        _("Only the owner of the mailbox can make room: tell the recipient in another way."),
        _("Then send it again."),
    ),
    "recipient-limit": (_("Only this recipient is concerned: send it less mail, or send the message again later."),),
    "recipient-suppressed": (
        _("An earlier message to this address bounced or was reported as spam."),
        _("If the address works again, remove it from the suppression list on the provider's pages."),
    ),
    "address-invalid": (_("Check the address for typing errors and for characters that do not belong there."),),
    "domain-missing": (
        _("Check what follows the @ for typing errors."),
        _("If it is correct, the domain's DNS has a problem: contact the recipient in another way."),
    ),
    "domain-takes-no-mail": (
        _("Check what follows the @ for typing errors: this domain declares that it accepts no mail."),
    ),
    "address-problem": (CHECK_ADDRESS, OTHER_CONTACT),
    "mailbox-problem": (CHECK_ADDRESS, OTHER_CONTACT),
    "not-ascii": (_("Use an address with plain letters only, or a server that offers SMTPUTF8."),),
    # ------------------------------------------------------------ message
    "too-big": (_("The message is too large for the server: send it with fewer or smaller attachments."),),
    "too-many-recipients": (_("Send it to fewer recipients at a time."),),
    "long-lines": (
        _("A line of the message is longer than the server allows (RFC 5322: 998 octets)."),
        _("Break the long line: usually HTML without line breaks, or a message/rfc822 attachment."),
    ),
    "malformed": (
        _("The reply says which part of the message is malformed, usually a header such as From."),
        _("Check the code or the template that builds the message."),
    ),
    "attachment-refused": (_("Send a link to the file instead, or the file in another format."),),
    "spam": (
        _("The server takes the message for spam: its reply may say what it objects to."),
        CHECK_DOMAIN,
    ),
    "virus": (
        _("Check the attachments and links: the server takes one of them for malware."),
        _("If they are harmless, send a link to the file instead."),
    ),
    "content": (
        _("The server objects to the content, often as spam: its reply may say what it objects to."),
        CHECK_DOMAIN,
    ),
    "policy": (
        _("The reply says which rule. Often it is about spam or about an unauthenticated sender."),
        CHECK_DOMAIN,
        _("If the reply mentions relaying, store user and password in the connection."),
    ),
    "refused": (_("The reply does not say why. Contact the operator of the server and quote it."),),
    "deferred": (_("No action is needed at first: the server asks to try again later."),),
    # ------------------------------------------------------------ sender
    "sender-refused": (
        _("Use another From address, in the mail settings or in the connection."),
        _("Or ask the operator of the server to allow this one."),
    ),
    "sender-mismatch": (
        _("Use a From address that belongs to this account, in the mail settings or in the connection."),
        _("Or allow the account, with the provider, to send for the address."),
    ),
    "sender-unverified": (
        _("Verify the From address or its domain on the provider's pages."),
        _("Or use a From address that is verified there."),
    ),
    "sender-domain": (
        _("Check the domain of the From address for typing errors."),
        _("It needs an MX or address record in the DNS, so that replies can be delivered."),
    ),
    "spf": (
        _("Add the sending server to the SPF record of the sender's domain."),
        _("Or send through a server that is in that record."),
    ),
    "dkim": (
        _("Have the sending server sign messages of this domain, and check the DKIM key in its DNS."),
        _("If it signs, something on the way changes the messages."),
    ),
    "dmarc": (CHECK_DOMAIN, _("The domain of the From address must be the one that SPF or DKIM authenticates.")),
    # ------------------------------------------------------------ account
    "sending-limit": (NOTHING_LOST, OWN_LIMIT, _("A backup connection would send them meanwhile.")),
    "too-many-connections": (NOTHING_LOST, _("Lower “Open connections” in the connection.")),
    "unusual-activity": (
        _("Sign in on the provider's pages: it says there what it noticed and how to unlock the account."),
        _("Change the password if somebody else may have used the account."),
    ),
    "too-many-sign-ins": (
        _("No action is needed: sign-in is tried again after a rest."),
        _("If other programs use the account, check that their password is correct."),
    ),
    "account-blocked": (
        _("Sign in on the provider's pages, or contact its support: only the provider can unblock the account."),
        _("Then resume the connection on the queue page: waiting messages are sent."),
    ),
    "account-restricted": (_("Ask the provider to activate the account for sending to anyone."),),
    "relay-denied": (
        _("Store user and password in the connection: most servers relay mail only after sign-in."),
        _("If they are stored, ask the operator of the server to let this account send to other domains."),
    ),
    "sign-in-needed": (_("Store user and password in the connection: the server requires sign-in."),),
    "sign-in-refused": (
        _("Enter user and password again, exactly as the provider gives them. The user is often the whole address."),
        _("Some providers require an app password, or sending by SMTP to be switched on for the account."),
    ),
    "sign-in-off": (
        _("Switch on sending by SMTP (“Authenticated SMTP”) for this mailbox, or ask its administrator to."),
    ),
    "app-password": (_("Create an app password on the provider's pages, and store it in the connection."),),
    "browser-sign-in": (
        _("Sign in to the account in a browser and confirm what is asked there; then try again."),
        _("If it persists, create an app password and store it in the connection."),
    ),
    "passwords-refused": (
        _("This server accepts no passwords, only tokens (OAuth), which are not supported here."),
        _("Ask the provider for another way to send: a relay by IP address, an app password or an SMTP service."),
    ),
    # ------------------------------------------------------------ us
    "encryption-needed": (_("Choose STARTTLS or implicit TLS in the connection."),),
    "rate-limited": (
        _("Set a limit in the connection, so that messages leave more slowly."),
        _("Then send it again."),
    ),
    "blocklist": (
        _("Look up the address of the sending server on the list that the reply names, and ask to be removed."),
        _("Until then send through another connection."),
    ),
    "reverse-dns": (
        _("Ask the operator of the sending server to give its address a name (PTR) that leads back to it."),
    ),
    "ehlo-refused": (
        _("Enter a full host name that exists in the DNS as “EHLO name” in the connection, under Advanced."),
    ),
    "address-not-allowed": (_("Add the address of this machine to those allowed, on the provider's pages."),),
    "protocol": (_("The server did not understand a command. Contact its operator and quote the reply."),),
    # ------------------------------------------------------------ server
    "greylisting": (_("No action is needed: the server accepts the message when it is tried again later."),),
    "busy": (_("The server has a problem of its own. Send the message again later."), ASK_OPERATOR),
    "loop": (_("Ask the operator of the recipient's domain: its mail is forwarded in a circle."),),
    "server-problem": (_("The server has a problem of its own. Send the message again later."), ASK_OPERATOR),
    "network-problem": (_("The server has a problem of its own. Send the message again later."), ASK_OPERATOR),
    # ------------------------------------------------------------ what this side notices
    "host-unknown": (
        COMPARE_HOST,
        _("If it is correct, ask the operator of this machine whether it can resolve names."),
    ),
    "host-forbidden": (
        _("Use the name or address of a mail server. Private addresses may be forbidden by MAIL_PRIVATE_HOSTS."),
    ),
    "connection-refused": (
        COMPARE_PORT,
        _("If they are correct, the mail server is not running: contact its operator."),
    ),
    "connection-timeout": (
        _("A firewall is likely in between: many hosting providers block port 25. Try 587, 465 or 2525."),
        COMPARE_HOST,
    ),
    "certificate-expired": (
        CERTIFICATE_OPERATOR,
        _("Check the clock of this machine, too: if it is ahead, valid certificates look expired."),
    ),
    "certificate-not-yet-valid": (
        _("Check the clock of this machine: if it is behind, valid certificates look not yet valid."),
        _("If it is right, contact the operator of the server."),
    ),
    "certificate-name": (
        _("Enter as host the name that the certificate is for: usually the one that the provider gives."),
        _("If you use an address or an alias of your own, use the server's own name instead."),
    ),
    "certificate-self-signed": (TRUST_CERTIFICATE, _("If not, ask its operator for a certificate that is trusted.")),
    "certificate-authority": (
        _("If the authority is yours, paste its certificate into the connection, under Advanced."),
        _("If not, ask the operator of the server to send the whole certificate chain."),
    ),
    "certificate-other": (CERTIFICATE_OPERATOR,),
    "authority-unreadable": (
        _("Paste the certificate of your authority again, under Advanced: PEM text with its BEGIN and END lines."),
    ),
    "tls-outdated": (_("The server needs TLS 1.2 or later: ask its operator to update it, or use another server."),),
    "tls-aborted": (
        _("It is likely too old: it needs TLS 1.2 or later. Ask its operator to update it, or use another server."),
    ),
    "starttls-missing": (
        _("Choose implicit TLS on port 465, if the provider offers it."),
        _("Choose no encryption only for a relay on this machine or in a network that you trust."),
    ),
    "tls-not-spoken": (_("Choose STARTTLS for this port, or use port 465."),),
    "tls-expected": (_("Choose implicit TLS for this port, or use port 587."),),
    "sign-in-missing": (
        _("Choose encryption, if there is none: many servers offer sign-in only then."),
        _("If the server requires no sign-in, leave user and password empty."),
    ),
    "sign-in-unsupported": (_("Ask the operator of the server to offer PLAIN, LOGIN or CRAM-MD5."),),
    "unsendable": (_("Change what the reason names, or send the message through another connection."),),
    "interrupted": (_("If it continues, contact the operator of the server or of the network in between."),),
    "credentials-unsendable": (_("Enter user and password again, without unusual characters."),),
    # ------------------------------------------------------------ how far an attempt got
    "resolve": (COMPARE_HOST, _("Ask the operator of this machine whether it can resolve names.")),
    "connect": (
        COMPARE_PORT,
        _("If they are correct, the server is down or a firewall is in between: ask the operator of the network."),
    ),
    "greeting": (
        _("Check that port and encryption belong together: 587 with STARTTLS, 465 with implicit TLS."),
        _("Make sure that a mail server listens on this port. It may also be busy, or block this machine."),
    ),
    "ehlo": (
        _("Check that port and encryption belong together: 587 with STARTTLS, 465 with implicit TLS."),
        _("Make sure that a mail server listens on this port. It may also be busy, or block this machine."),
    ),
    "tls": (
        _("Check that port and encryption belong together: 587 with STARTTLS, 465 with implicit TLS."),
        ASK_OPERATOR,
    ),
    "auth": (
        _("Enter user and password again, exactly as the provider gives them. The user is often the whole address."),
        _("Some providers require an app password, or sending by SMTP to be switched on for the account."),
    ),
}
