"""Which messages in flight people have decided otherwise about since they were claimed.

A pause, a cancellation, another driver or primary connection, a changed secret, a suppressed address: what has not
begun by then is given back. What counts is what the database says, whoever wrote it; a check is a few short queries.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from maillog import suppressions
from maillog.models import Suppression
from maillog.queue import claiming

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailadmin.connections.routing import Router
    from mailadmin.delivery.in_flight import InFlight

CHECK_SECONDS = 0.5  # between two checks


class DecisionCheck:
    """The checks of one drain. `overruled`: messages in flight that would go another way now, or none at all."""

    def __init__(self) -> None:
        self.overruled: set[InFlight] = set()
        self._newest_suppression: int | None = None  # seen by the last check

    def find(self, in_flight: Collection[InFlight], router: Router) -> set[InFlight]:
        """Return what has been overruled since the last check; `router` knows the present settings."""
        rest = [delivery for delivery in in_flight if delivery not in self.overruled]
        found = _rerouted(rest, router) | _cancelled(rest) | self._suppressed(rest)
        self.overruled |= found
        return found

    def in_hand(self, in_flight: Collection[InFlight]) -> dict[str, int]:
        """Return how many overruled messages are still in flight, by the ids of their connections ("" without one)."""
        self.overruled.intersection_update(in_flight)
        return dict(Counter(one.connection.id if one.connection else "" for one in self.overruled))

    def _suppressed(self, deliveries: Collection[InFlight]) -> set[InFlight]:
        newest = Suppression.objects.order_by("-id").values_list("id", flat=True).first() or 0
        if newest == self._newest_suppression:
            return set()
        self._newest_suppression = newest
        people = [(one, recipient.search_address) for one in deliveries for recipient in one.mail.recipients]
        found = suppressions.find_suppressed(address for _, address in people)
        return {delivery for delivery, address in people if address in found}


def _rerouted(deliveries: Collection[InFlight], router: Router) -> set[InFlight]:
    """Return the deliveries whose driver or connections are others now, or whose connection is closed."""
    found: set[InFlight] = set()
    same: dict[tuple[int, int], bool] = {}  # messages share their lists of connections: each pair is compared once
    for delivery in deliveries:
        before, now = delivery.candidates, router.candidates(delivery.mail)
        pair = (id(before), id(now))
        if pair not in same:
            same[pair] = before == now
        connection = delivery.connection
        is_closed = connection is not None and connection.id in router.unavailable and not delivery.mail.is_test
        if is_closed or not same[pair] or delivery.current_driver != router.driver.key:
            found.add(delivery)
    return found


def _cancelled(deliveries: Collection[InFlight]) -> set[InFlight]:
    ids = claiming.cancelled_among(delivery.mail.id for delivery in deliveries)
    return {delivery for delivery in deliveries if delivery.mail.id in ids}
