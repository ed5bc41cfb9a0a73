"""The mail app's pages, below /mail/."""

from django.urls import path

from mailadmin.views import (
    alarms,
    events,
    incidents,
    keys,
    ladder,
    queue,
    queue_actions,
    settings,
    test_draft,
    test_mail,
)

app_name = "mailadmin"
urlpatterns = [
    path("settings/", settings.edit, name="settings"),
    path("test/", test_mail.form, name="test"),
    path("test/draft/<slug:project>/<slug:key>/", test_draft.send, name="test_draft"),
    path("test/<int:mail_id>/", test_mail.result, name="test_result"),
    path("events/", events.entries, name="events"),
    path("connection-check/unsaved/", ladder.unsaved, name="ladder_new"),
    path("connection-check/unsaved/<int:pk>/", ladder.unsaved, name="ladder_changed"),
    path("connection-check/<slug:connection_id>/", ladder.stored, name="ladder_stored"),
    path("api-keys/", keys.listing, name="keys"),
    path("api-keys/new/", keys.new, name="keys_new"),
    path("api-keys/<int:pk>/revocation/", keys.revoke, name="keys_revoke"),
    path("incidents/", incidents.listing, name="incidents"),
    path("incidents/alarms/", alarms.edit, name="incidents_alarms"),
    path("incidents/alarms/test/", alarms.test, name="incidents_alarms_test"),
    path("incidents/<int:pk>/", incidents.detail, name="incidents_one"),
    path("incidents/<int:pk>/ending/", incidents.end, name="incidents_end"),
    path("queue/", queue.listing, name="queue"),
    path("queue/state/", queue.state, name="queue_state"),
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
