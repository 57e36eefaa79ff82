"""Pacesetter's own metrics. No label takes a value that a client can choose."""

from prometheus_client import Counter, Gauge, Histogram

CACHE_READS = Counter("pacesetter_cache_reads_total", "Cached reads by what is cached", ["name", "result"])
RATE_LIMITED = Counter("pacesetter_rate_limited_total", "Requests refused by a limit", ["limit"])
CONNECTIONS_ENDED = Counter("pacesetter_connections_ended_total", "Connections ended for size or slowness", ["reason"])
LIMITER_FALLBACKS = Counter("pacesetter_limiter_fallbacks_total", "Limits counted locally because Redis was out")
RECORDS = Counter("pacesetter_activity_records_total", "Synced records by outcome", ["outcome"])
MIRROR_FAILURES = Counter("pacesetter_mirror_failures_total", "Board changes that Redis did not take at once")
MIRROR_REBUILDS = Counter("pacesetter_mirror_rebuilds_total", "Boards rebuilt in Redis from PostgreSQL")
BOARD_READS = Counter("pacesetter_board_reads_total", "Pages of boards by where they were read", ["source"])
SOCKETS = Gauge("pacesetter_sockets", "Open sockets", multiprocess_mode="livesum")
STREAMS = Gauge("pacesetter_streams", "Open event streams and long polls", multiprocess_mode="livesum")
LIVE_BOARDS = Gauge("pacesetter_live_boards", "Boards that somebody looks at here", multiprocess_mode="livesum")
FRAMES = Counter("pacesetter_frames_total", "Frames handed to sockets and streams")
FRAMES_CONFLATED = Counter("pacesetter_frames_conflated_total", "Frames replaced by a newer one before they were sent")
RENDER_SECONDS = Histogram("pacesetter_board_render_seconds", "Reading and encoding one board for its watchers")
CIRCUIT_OPEN = Gauge(
    "pacesetter_circuit_open", "1 while a service elsewhere is left alone", ["circuit"], multiprocess_mode="mostrecent"
)
CIRCUIT_CHANGES = Counter("pacesetter_circuit_changes_total", "States that circuits came into", ["circuit", "state"])
CLOUD_REQUESTS = Counter("pacesetter_cloud_requests_total", "Requests to clouds by outcome", ["provider", "outcome"])
CLOUD_FETCHES = Counter("pacesetter_cloud_fetches_total", "Fetches of connections by outcome", ["provider", "outcome"])
DELIVERIES = Counter("pacesetter_deliveries_total", "Messages to people by outcome", ["channel", "outcome"])
MESSAGES = Counter("pacesetter_messages_total", "Attempts to send a message by how they ended", ["provider", "outcome"])
