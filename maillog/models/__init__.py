"""The tables of the log, a file per noun."""

from maillog.models.attempt import Attempt, Transcript
from maillog.models.audit_event import MailEvent
from maillog.models.incident import Incident, IncidentMail
from maillog.models.label import Label
from maillog.models.list_preference import ChosenColumns, SavedSearch
from maillog.models.message import FINAL, WAITING, Content, Message, Status
from maillog.models.recipient import Recipient
from maillog.models.retention import PruneRun, RetentionRules
from maillog.models.rollup import Tally, TallyDelta, TallyKeeping, WaitingHour
from maillog.models.suppression import Suppression

__all__ = [
    "FINAL",
    "WAITING",
    "Attempt",
    "ChosenColumns",
    "Content",
    "Incident",
    "IncidentMail",
    "Label",
    "MailEvent",
    "Message",
    "PruneRun",
    "Recipient",
    "RetentionRules",
    "SavedSearch",
    "Status",
    "Suppression",
    "Tally",
    "TallyDelta",
    "TallyKeeping",
    "Transcript",
    "WaitingHour",
]
