"""Patterns of the recipient allow-list: one address, or every address of one domain."""

from __future__ import annotations

from mailadmin.message.addresses import AddressError, parse_address


def parse_pattern(text: str, *, single_label: bool | None = None) -> str:
    """Parse an allow-list pattern, `ann@example.com` or `*@example.com`, for `matches`.

    `single_label` as for `parse_address`. Raises AddressError for anything else; a star replaces only the whole local
    part.
    """
    if not isinstance(text, str):
        raise AddressError("is not text")
    text = text.strip(" ")
    if text.startswith("*@"):
        return "*@" + parse_address("any" + text[1:], single_label=single_label).domain
    address = parse_address(text, single_label=single_label)
    if address.display_name or "*" in address.local:
        raise AddressError("is neither an address nor a pattern such as *@example.com")
    return address.addr_spec.lower()


def matches(pattern: str, addr_spec: str) -> bool:
    """Return whether an `Address.addr_spec` matches a pattern from `parse_pattern`, ignoring case."""
    addr_spec = addr_spec.lower()
    if pattern.startswith("*@"):
        return addr_spec.rpartition("@")[2] == pattern[2:]
    return addr_spec == pattern
