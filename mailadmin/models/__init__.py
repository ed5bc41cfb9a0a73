"""The mail app's own tables, one file per noun. Messages are in `maillog`."""

from mailadmin.models.alarm import Alarm, AlarmRules
from mailadmin.models.api_key import ApiKey, Scope
from mailadmin.models.bulk_action import BulkAction
from mailadmin.models.connection_state import ConnectionRate, ConnectionState
from mailadmin.models.settings_revision import SendMode, SettingsRevision
from mailadmin.models.worker_heartbeat import WorkerHeartbeat

__all__ = [
    "Alarm",
    "AlarmRules",
    "ApiKey",
    "BulkAction",
    "ConnectionRate",
    "ConnectionState",
    "Scope",
    "SendMode",
    "SettingsRevision",
    "WorkerHeartbeat",
]
