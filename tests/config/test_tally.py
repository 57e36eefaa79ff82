"""What is counted at once is counted as if it had been counted one by one."""

import random
from bisect import bisect_left
from collections import Counter

from prometheus_client import CollectorRegistry, Histogram

from config.core.tally import _BOUNDS, _observe


def test_a_heap_of_observations_is_the_same_as_each_of_them() -> None:
    rng = random.Random(7)
    values = [rng.choice([*_BOUNDS[:-1], rng.expovariate(10), 1e9]) for _ in range(500)]
    one_by_one, at_once = (
        Histogram("seconds", "How long", buckets=_BOUNDS, registry=CollectorRegistry()) for _ in range(2)
    )
    for value in values:
        one_by_one.observe(value)
    _observe(at_once, Counter(bisect_left(_BOUNDS, value) for value in values), sum(values))
    said = [
        {
            (sample.name, *sample.labels.values()): round(sample.value, 3)
            for sample in next(iter(histogram.collect())).samples
        }
        for histogram in (one_by_one, at_once)
    ]
    for counts in said:
        counts.pop(("seconds_created",))
    assert said[0] == said[1]
    assert said[0]["seconds_count",] == 500
