"""The map of the system: what the engine needs of the world, as protocols.

Adapters (`store`, `asterisk`, `media`, `webhooks`) implement them, fakes in `sim` pass the same contract suites, and
`daemon.py` is the only place that names which is used.
"""

from dialerd.ports.outside import Clock, Media, Message, Sink, Snapshot, Telephony, Webhooks
from dialerd.ports.records import (
    AnsweredRequest,
    ApiKey,
    CallFilter,
    CallRow,
    CampaignFilter,
    DeedFilter,
    Dnc,
    Kept,
    KeptAnswer,
    KeptDeed,
    MediaWorker,
    MediaWorkerState,
    NewContact,
    OpenState,
    Page,
    PastCall,
    ReadyBatch,
    ReportFilter,
    Script,
    TryRow,
    VoiceAgent,
)
from dialerd.ports.store import ExportPart, Exports, Journal, Store

__all__ = [
    "AnsweredRequest",
    "ApiKey",
    "CallFilter",
    "CallRow",
    "CampaignFilter",
    "Clock",
    "DeedFilter",
    "Dnc",
    "ExportPart",
    "Exports",
    "Journal",
    "Kept",
    "KeptAnswer",
    "KeptDeed",
    "Media",
    "MediaWorker",
    "MediaWorkerState",
    "Message",
    "NewContact",
    "OpenState",
    "Page",
    "PastCall",
    "ReadyBatch",
    "ReportFilter",
    "Script",
    "Sink",
    "Snapshot",
    "Store",
    "Telephony",
    "TryRow",
    "VoiceAgent",
    "Webhooks",
]
