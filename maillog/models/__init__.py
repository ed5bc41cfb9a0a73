"""The tables of the log, a file per noun."""

from maillog.models.attempt import Attempt, Transcript
from maillog.models.audit_event import AuditEvent
from maillog.models.incident import Incident, IncidentMail
from maillog.models.label import Label
from maillog.models.list_preference import ChosenColumns, SavedSearch
from maillog.models.message import FAILURES, FINAL, WAITING, Content, Message, Status
from maillog.models.recipient import Recipient
from maillog.models.retention import PruneRun, RetentionRules
from maillog.models.rollup import Rollup, RollupDelta, RollupLock, WaitingPeak
from maillog.models.suppression import Suppression

__all__ = [
    "FAILURES",
    "FINAL",
    "WAITING",
    "Attempt",
    "AuditEvent",
    "ChosenColumns",
    "Content",
    "Incident",
    "IncidentMail",
    "Label",
    "Message",
    "PruneRun",
    "Recipient",
    "RetentionRules",
    "Rollup",
    "RollupDelta",
    "RollupLock",
    "SavedSearch",
    "Status",
    "Suppression",
    "Transcript",
    "WaitingPeak",
]
