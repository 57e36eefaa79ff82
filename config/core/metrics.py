"""Pacesetter's own metrics. No label takes a value that a client can choose.

What is counted here is this process's own, and Prometheus adds the processes up (`config.core.metric_files` says when a
folder does). What all processes see alike, such as what lies in PostgreSQL, is read when somebody asks:
`config.api.figures`.
"""

from prometheus_client import Counter, Gauge, Histogram

CACHE_READS = Counter("pacesetter_cache_reads_total", "Cached reads by what is cached", ["name", "result"])
RATE_LIMITED = Counter("pacesetter_rate_limited_total", "Requests refused by a limit", ["limit"])
CONNECTIONS_ENDED = Counter("pacesetter_connections_ended_total", "Connections ended for size or slowness", ["reason"])
LIMITER_FALLBACKS = Counter("pacesetter_limiter_fallbacks_total", "Limits counted locally because Redis was out")
SYNCS = Counter("pacesetter_syncs_total", "Syncs that were stored")
RECORDS = Counter("pacesetter_activity_records_total", "Synced records by outcome", ["outcome"])
RECORDS_REFUSED = Counter(
    "pacesetter_records_refused_total", "Synced records that were refused, by the field that was wrong", ["reason"]
)
MIRROR_FAILURES = Counter("pacesetter_mirror_failures_total", "Board changes that Redis did not take at once")
MIRROR_REBUILDS = Counter("pacesetter_mirror_rebuilds_total", "Boards rebuilt in Redis from PostgreSQL")
BOARD_READS = Counter("pacesetter_board_reads_total", "Pages of boards by where they were read", ["source"])
SOCKETS = Gauge(
    "pacesetter_sockets", "Connections that stay, by what carries them", ["transport"], multiprocess_mode="livesum"
)
WEBSOCKETS, EVENT_STREAMS, LONG_POLLS = (SOCKETS.labels(kind) for kind in ("websocket", "event_stream", "long_poll"))
SOCKETS_ENDED = Counter("pacesetter_sockets_ended_total", "Connections that the server ended, by why", ["reason"])
LIVE_BOARDS = Gauge("pacesetter_live_boards", "Boards that somebody looks at here", multiprocess_mode="livesum")
FRAMES = Counter("pacesetter_frames_total", "Frames handed to sockets and streams")
FRAMES_CONFLATED = Counter("pacesetter_frames_conflated_total", "Frames replaced by a newer one before they were sent")
DELIVERY_SECONDS = Histogram(
    "pacesetter_delivery_lag_seconds",
    "From the write that moved a board to the frame's hand-over to a watcher's connection",
    buckets=(0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)
SNAPSHOTS = Counter("pacesetter_snapshots_total", "Frames and pages by whether they were made already", ["result"])
RENDER_SECONDS = Histogram("pacesetter_board_render_seconds", "Reading and encoding one board for its watchers")
CIRCUIT_OPEN = Gauge(
    "pacesetter_circuit_open", "1 while a service elsewhere is left alone", ["circuit"], multiprocess_mode="mostrecent"
)
CIRCUIT_CHANGES = Counter("pacesetter_circuit_changes_total", "States that circuits came into", ["circuit", "state"])
CLOUD_REQUESTS = Counter("pacesetter_cloud_requests_total", "Requests to clouds by outcome", ["provider", "outcome"])
CLOUD_FETCHES = Counter("pacesetter_cloud_fetches_total", "Fetches of connections by outcome", ["provider", "outcome"])
GATEWAY_CALLS = Counter(
    "pacesetter_gateway_calls_total", "Calls of payment gateways by outcome", ["gateway", "outcome"]
)
DELIVERIES = Counter("pacesetter_deliveries_total", "Messages to people by outcome", ["channel", "outcome"])
MESSAGES = Counter("pacesetter_messages_total", "Attempts to send a message by how they ended", ["provider", "outcome"])
JOBS_DONE = Counter("pacesetter_jobs_done_total", "Jobs that a worker ended, by how", ["task", "outcome"])
POOL_LIMIT = Gauge(
    "pacesetter_pool_limit", "Connections that a pool has at most", ["pool"], multiprocess_mode="livesum"
)
POOL_CONNECTIONS = Gauge(
    "pacesetter_pool_connections", "Connections of a pool by state", ["pool", "state"], multiprocess_mode="livesum"
)
POOL_WAITING = Gauge(
    "pacesetter_pool_waiting", "Who waits for a connection at this moment", ["pool"], multiprocess_mode="livesum"
)
POOL_REFUSED = Gauge(
    "pacesetter_pool_refused",
    "Who got no connection in time, since the process began",
    ["pool"],
    multiprocess_mode="livesum",
)
