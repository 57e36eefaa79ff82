from fitness.models.activities import Activity, SupersededActivity
from fitness.models.samples import CountedDay, DataSource, Sample, SourcePreference, Tombstone

__all__ = ["Activity", "CountedDay", "DataSource", "Sample", "SourcePreference", "SupersededActivity", "Tombstone"]
