"""Which From addresses a key may use: those of its patterns, as far as its owner may use them."""

from __future__ import annotations

from django.utils.translation import gettext

from mailadmin.configuration import effective
from mailadmin.http_api.api_keys import SEND_AS
from mailadmin.http_api.problems import field_problem
from mailadmin.message.addresses import AddressError, parse_address
from mailadmin.message.recipient_patterns import matches
from mailadmin.models.api_key import ApiKey


def check_sender(key: ApiKey, sender: str, *, place: str = "") -> None:
    """Raise Problem naming the field ``from`` below `place` if `key` may not send from `sender`.

    The sender of the mail settings, which is used if none is given, is always allowed. An owner without the permission
    to send from any address may use that one and their own.
    """
    if not sender:
        return
    try:
        address = parse_address(sender).addr_spec.lower()
    except AddressError:
        return  # composing says what is wrong with it
    if address == configured_sender():
        return
    if key.sender_patterns and not any(matches(pattern, address) for pattern in key.sender_patterns):
        raise field_problem(f"{place}from", gettext("%s is not among the senders that this key may use") % address)
    if address != key.owner.email.lower() and not key.owner.has_perm(SEND_AS):
        reason = gettext("%s is neither the configured sender nor the address of the owner of this key") % address
        raise field_problem(f"{place}from", reason)


def configured_sender() -> str:
    """Return the bare From address of the mail settings in lower case, or nothing."""
    try:
        return parse_address(str(effective.current().from_address)).addr_spec.lower()
    except AddressError:
        return ""
