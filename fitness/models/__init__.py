from fitness.models.activities import Activity, SupersededActivity
from fitness.models.connections import Connection, PendingAuthorisation
from fitness.models.samples import CountedDay, DataSource, Sample, SourcePreference, Tombstone

__all__ = [
    "Activity",
    "Connection",
    "CountedDay",
    "DataSource",
    "PendingAuthorisation",
    "Sample",
    "SourcePreference",
    "SupersededActivity",
    "Tombstone",
]
