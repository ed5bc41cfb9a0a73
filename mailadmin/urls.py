"""The mail app's pages, below /mail/."""

from django.urls import path, register_converter

from mailadmin.drivers import registry
from mailadmin.views import (
    alarm_pages,
    api_key_pages,
    connection_check_pages,
    event_pages,
    incident_pages,
    queue_actions,
    queue_pages,
    settings_page,
    testmail_draft,
    testmail_pages,
)


class ConnectionKindConverter:
    """A kind of secret that an installed driver sends through: the others have no address here."""

    regex = "[a-z][a-z0-9_-]*"

    def to_python(self, value: str) -> str:
        """Return the kind. Raises ValueError for another one."""
        if value not in registry.connection_kinds():
            raise ValueError
        return value

    to_url = to_python


register_converter(ConnectionKindConverter, "connection_kind")

app_name = "mailadmin"
urlpatterns = [
    path("settings/", settings_page.edit, name="settings"),
    path("test/", testmail_pages.form, name="test"),
    path("test/draft/<slug:project>/<slug:key>/", testmail_draft.send, name="test_draft"),
    path("test/<int:mail_id>/", testmail_pages.result, name="test_result"),
    path("events/", event_pages.entries, name="events"),
    path("connection-check/new/<connection_kind:kind>/", connection_check_pages.unsaved, name="connection_check_new"),
    path(
        "connection-check/changed/<connection_kind:kind>/<int:pk>/",
        connection_check_pages.unsaved,
        name="connection_check_changed",
    ),
    path(
        "connection-check/stored/<connection_kind:kind>/<slug:connection_id>/",
        connection_check_pages.stored,
        name="connection_check_stored",
    ),
    path("api-keys/", api_key_pages.listing, name="keys"),
    path("api-keys/new/", api_key_pages.new, name="keys_new"),
    path("api-keys/revocation/", api_key_pages.revoke_own, name="keys_revoke_own"),
    path("api-keys/<int:pk>/revocation/", api_key_pages.revoke, name="keys_revoke"),
    path("incidents/", incident_pages.listing, name="incidents"),
    path("incidents/alarms/", alarm_pages.edit, name="incidents_alarms"),
    path("incidents/alarms/test/", alarm_pages.test, name="incidents_alarms_test"),
    path("incidents/<int:pk>/", incident_pages.detail, name="incidents_one"),
    path("incidents/<int:pk>/ending/", incident_pages.end, name="incidents_end"),
    path("queue/", queue_pages.listing, name="queue"),
    path("queue/state/", queue_pages.state, name="queue_state"),
    path("queue/retry/", queue_actions.retry_chosen, name="queue_retry"),
    path("queue/retry/all/", queue_actions.retry_all, name="queue_retry_all"),
    path("queue/cancellation/", queue_actions.cancel_chosen, name="queue_cancel"),
    path("queue/cancellation/all/", queue_actions.cancel_all, name="queue_cancel_all"),
    path("queue/<int:mail_id>/retry/", queue_actions.retry_one, name="queue_retry_one"),
    path("queue/<int:mail_id>/cancellation/", queue_actions.cancel_one, name="queue_cancel_one"),
    path("queue/connections/<slug:connection_id>/pause/", queue_actions.pause, name="queue_pause"),
    path("queue/connections/<slug:connection_id>/resumption/", queue_actions.resume, name="queue_resume"),
    path("queue/connections/<slug:connection_id>/probe/", queue_actions.probe, name="queue_probe"),
]
