"""What a message asks of a driver, and what a driver may be unable to carry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Feature(Enum):
    """Something that not every driver can carry: the field of `Mail` that asks for it, and its name for people."""

    ATTACHMENTS = ("attachments", _("attachments"))
    SEVERAL_RECIPIENTS = ("to", _("more than one recipient"))
    NON_ASCII_ADDRESSES = ("to", _("addresses with non-ASCII characters before the @"))
    SIZE = ("attachments", _("messages of this size"))

    def __init__(self, field: str, label: _StrOrPromise) -> None:
        self.field = field
        self.label = label


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a message asks of a driver. `size`: octets of the finished message; `recipients`: how many."""

    size: int
    recipients: int
    has_attachment: bool
    needs_smtputf8: bool

    @property
    def features(self) -> frozenset[Feature]:
        """The features asked for, other than the size."""
        asked = {
            Feature.ATTACHMENTS: self.has_attachment,
            Feature.SEVERAL_RECIPIENTS: self.recipients > 1,
            Feature.NON_ASCII_ADDRESSES: self.needs_smtputf8,
        }
        return frozenset(feature for feature, is_asked in asked.items() if is_asked)
