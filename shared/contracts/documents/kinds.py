"""Every kind of document by its name."""

from shared.contracts.documents.alarms import AlarmDocument, JournalDocument, ViolationDocument
from shared.contracts.documents.base import Contract
from shared.contracts.documents.machine import (
    CommandDocument,
    LateDocument,
    MinutesDocument,
    OutboxDocument,
    QueuedDocument,
    StateDocument,
    TwinDocument,
)
from shared.contracts.documents.maintenance import CallDocument, PredictionDocument, WorkOrderDocument
from shared.contracts.documents.notification import (
    ActionDocument,
    ActionsDocument,
    DeliveryDocument,
    EscalationDocument,
    GatheredDocument,
    PaceDocument,
    UndeliveredDocument,
)
from shared.contracts.documents.oee import (
    GapDocument,
    LedgerDocument,
    OeeDocument,
    StopChangeDocument,
    StopDocument,
)
from shared.contracts.documents.quarantine import QuarantineDocument
from shared.contracts.documents.scopes import (
    ConflictDocument,
    MembershipDocument,
    ReconcileDocument,
    ScopeOeeDocument,
    ScopeStatusDocument,
)

DOCUMENTS: dict[str, type[Contract]] = {
    "state": StateDocument,
    "twin": TwinDocument,
    "alarm": AlarmDocument,
    "journal": JournalDocument,
    "oee": OeeDocument,
    "ledger": LedgerDocument,
    "stop": StopDocument,
    "stopchange": StopChangeDocument,
    "prediction": PredictionDocument,
    "call": CallDocument,
    "workorder": WorkOrderDocument,
    "minutes": MinutesDocument,
    "violation": ViolationDocument,
    "gap": GapDocument,
    "command": CommandDocument,
    "queued": QueuedDocument,
    "outbox": OutboxDocument,
    "late": LateDocument,
    "quarantine": QuarantineDocument,
    "delivery": DeliveryDocument,
    "gathered": GatheredDocument,
    "pace": PaceDocument,
    "escalation": EscalationDocument,
    "action": ActionDocument,
    "actions": ActionsDocument,
    "undelivered": UndeliveredDocument,
    "reconcile": ReconcileDocument,
    "conflict": ConflictDocument,
    "scope-oee": ScopeOeeDocument,
    "scope-status": ScopeStatusDocument,
    "scope-membership": MembershipDocument,
}
"""Every kind of document, by the name of its schema."""
