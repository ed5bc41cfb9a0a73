"""The filter of the list of incidents."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django_filters import ChoiceFilter, FilterSet

from maillog.models import Incident

State = Incident.State


def connections() -> list[tuple[str, str]]:
    """Return the names of the connections that had incidents, as choices."""
    names = Incident.objects.exclude(connection="").order_by("connection").values_list("connection", flat=True)
    return [(name, name) for name in names.distinct()]


class IncidentFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    """Incidents by state and connection."""

    state = ChoiceFilter(
        label=_("State"),
        empty_label=_("Any state"),
        choices=[(State.OPEN, State.OPEN.label), (State.ENDED, State.ENDED.label)],
    )
    connection = ChoiceFilter(label=_("Connection"), empty_label=_("Any connection"), choices=connections)

    class Meta:
        model = Incident
        fields = ()
