from fitness.models.activities import Activity, SupersededActivity
from fitness.models.connections import Connection, PendingAuthorisation
from fitness.models.flags import Flag, FlagEvent, FlagEventKind, FlagEvidence
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
    "PendingAuthorisation",
    "Sample",
    "SourcePreference",
    "SupersededActivity",
    "Tombstone",
]
