from fitness.models.activities import Activity, SupersededActivity
from fitness.models.connections import Connection, PendingAuthorisation
from fitness.models.flags import Flag, FlagEvent, FlagEventKind, FlagEvidence
from fitness.models.imports import Import, ImportState
from fitness.models.insights import LeftOut, SyncHour
from fitness.models.samples import CountedDay, DataSource, Sample, SourcePreference, Tombstone

__all__ = [
    "Activity",
    "Connection",
    "CountedDay",
    "DataSource",
    "Flag",
    "FlagEvent",
    "FlagEventKind",
    "FlagEvidence",
    "Import",
    "ImportState",
    "LeftOut",
    "PendingAuthorisation",
    "Sample",
    "SourcePreference",
    "SupersededActivity",
    "SyncHour",
    "Tombstone",
]
