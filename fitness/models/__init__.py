from fitness.models.activities import Activity, SupersededActivity
from fitness.models.imports import Import, ImportState
from fitness.models.samples import CountedDay, DataSource, Sample, SourcePreference, Tombstone

__all__ = [
    "Activity",
    "CountedDay",
    "DataSource",
    "Import",
    "ImportState",
    "Sample",
    "SourcePreference",
    "SupersededActivity",
    "Tombstone",
]
