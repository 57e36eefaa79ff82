"""Django's settings: one file, read through one typed reader of the environment."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import django_stubs_ext
import pghistory
from django.templatetags.static import static
from django.urls import reverse_lazy

from competitions.policy import OnHit
from competitions.rules import DeviceKind, Kind, Metric, Status
from config import devservices
from config.core import environment
from config.core.jobs import leave_rather_than_lose
from config.core.logging import logging_config
from config.core.metric_files import keep_own_metrics, share_metrics
from fitness.plausibility import FlagState
from fitness.rules import SampleType

django_stubs_ext.monkeypatch()  # lets generic Django and DRF classes be subscripted at run time

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = environment.read()

if ENV.METRICS_DIR:  # before anything imports prometheus_client
    share_metrics(Path(ENV.METRICS_DIR))
else:
    keep_own_metrics()

DEBUG = ENV.DEBUG
SECRET_KEY = ENV.SECRET_KEY
DATA_DIR = (BASE_DIR / ENV.DATA_DIR).resolve()
ALLOWED_HOSTS = [*ENV.ALLOWED_HOSTS, *(["localhost", "127.0.0.1", "[::1]", "testserver"] if DEBUG else [])]
PUBLIC_URL = ENV.PUBLIC_URL.rstrip("/")
PROXY_COUNT = ENV.PROXY_COUNT
RATE_LIMIT = ENV.RATE_LIMIT
SOCKETS_PER_USER = ENV.SOCKETS_PER_USER
SOCKETS_PER_ADDRESS = ENV.SOCKETS_PER_ADDRESS
OPERATIONS_NETWORKS = ENV.OPERATIONS_NETWORKS
COMPETITIONS_BY_STAFF_ONLY = ENV.COMPETITIONS_BY_STAFF_ONLY
MAX_BODY_BYTES = ENV.MAX_BODY_BYTES
MAX_IMPORT_BYTES = ENV.MAX_IMPORT_BYTES
IMPORT_DIR = DATA_DIR / "imports"  # of uploads until they are read; all processes share it
SEAT_CHECKOUT = "prizes.checkout.EntryFees"  # who takes entry fees: competitions.checkout.Checkout, from above it
DATABASE_URL = ENV.DATABASE_URL or devservices.database_url(DATA_DIR)
REDIS_URL = ENV.REDIS_URL or devservices.redis_url(DATA_DIR)

# --- What it is made of, lowest first ---------------------------------------------------------------------------------

INSTALLED_APPS = [
    "daphne",  # first: it replaces runserver
    "config.apps.SiteConfig",  # its templates come before unfold's, and those before the stock ones
    "unfold.apps.BasicAppConfig",  # not its default, which would put a site of its own in place of ours
    "unfold.contrib.filters",
    "config.apps.PanelConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "corsheaders",
    "channels",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
    "procrastinate.contrib.django",
    "pgtrigger",
    "pghistory",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "accounts",
    "competitions",
    "leaderboards",
    "fitness",
    "prizes",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "config.core.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",  # this and the next two outside of whatever may refuse
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "config.core.middleware.LimitMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.core.middleware.HostMiddleware",
    "config.panel.policy.PanelPolicyMiddleware",  # outside of whatever may refuse
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",  # looks at who that is
    "django.contrib.messages.middleware.MessageMiddleware",
    "config.core.audit.AuditMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.core.middleware.RefusalMiddleware",
    "config.core.tally.BoundedMetricsMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False  # a slash is accepted, never redirected to: a redirect would lose the body

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- PostgreSQL, the truth --------------------------------------------------------------------------------------------


_POOL = {
    "min_size": 1,
    "max_size": ENV.DATABASE_POOL_SIZE,
    "timeout": 5,
    # Whoever tries to connect waits twice as long each time. Given up so soon, the next request begins anew; otherwise
    # a PostgreSQL that was away for a minute would not be noticed for another.
    "reconnect_timeout": 3,
}
# libpq's, of TCP: a PostgreSQL whose machine is gone is noticed in half a minute; the kernel alone would wait for a
# quarter of an hour. DATABASE_URL may say otherwise.
_CONNECTION = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": parts.port or "",
        "CONN_HEALTH_CHECKS": True,  # or every pooled connection fails one request after PostgreSQL's restart
        # Under ASGI a pool is right and CONN_MAX_AGE is not: threads come and go with the requests.
        "OPTIONS": _CONNECTION | options | {"pool": _POOL},
    }


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis, the mirror: cache, sessions in front of PostgreSQL, and the channel layer ---------------------------------

CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {
            "REDIS_CLIENT_CLASS": "config.core.redis.Client",
            "CONNECTION_POOL_CLASS": "config.core.redis.Pool",
            "CONNECTION_POOL_KWARGS": {
                "max_connections": ENV.REDIS_POOL_SIZE,
                "timeout": 1,
                "socket_connect_timeout": 1,
                "socket_timeout": 1,  # every use has a way without Redis, so better that than to wait
            },
            # Not pickle: whoever can write to Redis must not thereby run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        },
    }
}
CACHES["sessions"] = CACHES["default"] | {
    "OPTIONS": CACHES["default"]["OPTIONS"] | {"IGNORE_EXCEPTIONS": True}  # PostgreSQL has them when Redis is out
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_CACHE_ALIAS = "sessions"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Without a time-out: a reader that waits for the next message is idle, not broken.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None, "socket_connect_timeout": 2}]},
    }
}

# --- The audit trail, in PostgreSQL -----------------------------------------------------------------------------------

# What is known of a change stands in its event's own row, which cannot be changed afterwards as a shared one could.
PGHISTORY_CONTEXT_FIELD = pghistory.ContextJSONField()
PGHISTORY_OBJ_FIELD = pghistory.ObjForeignKey(
    related_name="audit_events", related_query_name="audit_event", db_index=True
)
PGHISTORY_FOREIGN_KEY_FIELD = pghistory.ForeignKey(db_index=False)  # each would cost every event; `audited` says which

# --- Jobs, in PostgreSQL ----------------------------------------------------------------------------------------------

PROCRASTINATE_IMPORT_PATHS = ["config.people.tasks", "config.tasks"]  # besides those of the apps
PROCRASTINATE_WORKER_DEFAULTS = {
    "delete_jobs": "successful",  # one every five seconds would pile up
    "concurrency": 8,  # a payment gateway that hangs must not keep competitions from ending
    "worker_middleware": [leave_rather_than_lose],
}

# --- Who is calling ---------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
# E-mail is unique among local accounts only: a person who comes from Supabase with the same address is someone else.
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",
    "security.W008",  # plain HTTP is redirected by the proxy in front, which holds the certificate
    "security.W021",  # browsers' preload list binds every name below the domain for years: its owner decides
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "accounts.backends.LimitedModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PROVIDERS = ENV.auth_providers
SUPABASE_URL = ENV.SUPABASE_URL.rstrip("/")
SUPABASE_ANON_KEY = ENV.SUPABASE_ANON_KEY
SUPABASE_JWT_SECRET = ENV.SUPABASE_JWT_SECRET
SIMPLE_JWT = {
    "SIGNING_KEY": ENV.jwt_secret,
    "ALGORITHM": "HS256",
    "ISSUER": "pacesetter",
    "AUDIENCE": "authenticated",
    "USER_ID_FIELD": "id",
    "USER_ID_CLAIM": "sub",
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=1),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}

# --- How staff come in ------------------------------------------------------------------------------------------------

STAFF_CODES_REQUIRED = not DEBUG  # with it, of those who have set them up
OTP_TOTP_ISSUER = "Pacesetter"
AXES_HANDLER = "accounts.lockout.PanelDoor"
AXES_ONLY_ADMIN_SITE = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or whoever keeps trying would lock their victim out for good
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.address_to_lock"
AXES_USERNAME_CALLABLE = "accounts.lockout.name_of"
AXES_USERNAME_FORM_FIELD = "username"
AXES_LOCKOUT_CALLABLE = "config.panel.sign_in.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "password", "code", "key", "csrfmiddlewaretoken"]
AXES_ENABLE_ADMIN = False  # config.panel.lockouts shows them
AXES_VERBOSE = False

# --- Money ------------------------------------------------------------------------------------------------------------

PAYMENT_GATEWAY = ENV.payment_gateway
# Whose webhooks are read; money that came in through one gateway goes back through it after another is chosen.
GATEWAYS = {PAYMENT_GATEWAY, *(["sandbox"] if DEBUG else []), *(["stripe"] if ENV.STRIPE_WEBHOOK_SECRETS else [])}
STRIPE_SECRET_KEY = ENV.STRIPE_SECRET_KEY
STRIPE_WEBHOOK_SECRETS = ENV.STRIPE_WEBHOOK_SECRETS
STRIPE_URL = ""  # Stripe's own
APPROVAL_OVER = ENV.APPROVAL_OVER.by_currency
PAYOUT_CAP = ENV.PAYOUT_CAP.by_currency
STATEMENT_KEY = ENV.statement_key

# --- Clouds -----------------------------------------------------------------------------------------------------------

TOKEN_KEYS = ENV.token_keys
OWNER_ONLY_SOURCES = frozenset(ENV.OWNER_ONLY_SOURCES)
CLOUD_POLL_MINUTES = ENV.CLOUD_POLL_MINUTES
CLOUD_TIMEOUT_SECONDS = 10.0
BREAKER_FAILURES = ENV.BREAKER_FAILURES
BREAKER_SECONDS = ENV.BREAKER_SECONDS
GOOGLE_HEALTH_CLIENT_ID = ENV.GOOGLE_HEALTH_CLIENT_ID
GOOGLE_HEALTH_CLIENT_SECRET = ENV.GOOGLE_HEALTH_CLIENT_SECRET
GOOGLE_HEALTH_WEBHOOK_SECRETS = ENV.GOOGLE_HEALTH_WEBHOOK_SECRETS
GOOGLE_HEALTH_URL = "https://health.googleapis.com"
GOOGLE_FIT_CLIENT_ID = ENV.GOOGLE_FIT_CLIENT_ID
GOOGLE_FIT_CLIENT_SECRET = ENV.GOOGLE_FIT_CLIENT_SECRET
GOOGLE_FIT_URL = "https://www.googleapis.com"
GOOGLE_CONSENT_URL = "https://accounts.google.com"
GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com"  # noqa: S105 - an address

# --- Messages ---------------------------------------------------------------------------------------------------------

MESSAGE_TIMEOUT_SECONDS = 10.0
DEFAULT_FROM_EMAIL = ENV.MAIL_FROM or "Pacesetter <pacesetter@localhost>"
SENDGRID_API_KEY = ENV.SENDGRID_API_KEY
SENDGRID_URL = "https://api.sendgrid.com"
SENDGRID_WEBHOOK_KEY = ENV.SENDGRID_WEBHOOK_KEY
EMAIL_BACKEND = f"django.core.mail.backends.{'console' if DEBUG else 'filebased'}.EmailBackend"  # without that key
EMAIL_FILE_PATH = DATA_DIR / "mail"
FCM_SERVICE_ACCOUNT = ENV.FCM_SERVICE_ACCOUNT
FCM_URL = "https://fcm.googleapis.com"
TWILIO_ACCOUNT_SID = ENV.TWILIO_ACCOUNT_SID
TWILIO_AUTH_TOKEN = ENV.TWILIO_AUTH_TOKEN
TWILIO_FROM = ENV.TWILIO_FROM
TWILIO_URL = "https://api.twilio.com"

# --- The API ----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.CallerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["config.core.limits.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["config.core.media.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.core.media.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "config.core.schema.EnvelopeSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.core.media.OneMediaType",
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": False,  # amounts and weights are numbers
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS describes nothing; CORS answers its own
    "EXCEPTION_HANDLER": "config.core.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": [
        "config.core.media.JSONRenderer",
        "rest_framework.renderers.MultiPartRenderer",
    ],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Pacesetter",
    "DESCRIPTION": "Fitness competitions with live leaderboards.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,  # a list of names that explain themselves
    # Transactions have a status and a type too, so these two are named after what they are of.
    "ENUM_NAME_OVERRIDES": {
        "CompetitionStatusEnum": list(Status),
        "CompetitionTypeEnum": list(Kind),
        "FlagStateEnum": list(FlagState),
        "ImportStateEnum": "fitness.models.ImportState",
        "MetricEnum": list(Metric),
        "DeviceKindEnum": list(DeviceKind),
        "OnHitEnum": list(OnHit),
        "SampleTypeEnum": list(SampleType),
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.core.schema.without_trailing_slashes",
        "config.core.schema.with_refusals",
    ],
}
CORS_ALLOWED_ORIGINS = list(ENV.CORS_ALLOWED_ORIGINS)
CORS_ALLOW_HEADERS = ["authorization", "content-type", "if-none-match", "x-api-key", "x-request-id"]
CORS_EXPOSE_HEADERS = [
    *("etag", "x-request-id", "retry-after"),
    *("ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
]
CORS_PREFLIGHT_MAX_AGE = 600
DATA_UPLOAD_MAX_MEMORY_SIZE = ENV.MAX_BODY_BYTES

# --- Closed by default ------------------------------------------------------------------------------------------------

X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "config.pages.doors.csrf_failure"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
if PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if PUBLIC_URL.startswith("https://"):
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True

# --- The panel --------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Pacesetter",
    "SITE_HEADER": "Pacesetter",
    "SITE_SYMBOL": "directions_walk",
    "SITE_URL": "/boards",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("leaderboards/mark.svg")},
    ],
    "SHOW_HISTORY": False,  # our trail is written by PostgreSQL, not by the forms
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: static("panel/panel.css")],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
    "ACCOUNT": {
        "navigation": [
            {"title": "One-time codes", "link": reverse_lazy("admin:codes")},
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
        ]
    },
    "SIDEBAR": {"show_search": False, "navigation": "config.panel.navigation.navigation"},
    "COMMAND": {"search_models": False},
}

# --- Texts, times, files, logs ----------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"  # of the whole site; only what is sent to people is in their own language
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [("clients", BASE_DIR / "docs/clients")]  # what other clients copy, the live page runs on


def _bucket(name: str, **options: Any) -> dict[str, Any]:
    from botocore.config import Config  # it takes a while, and a folder does without

    client = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if ENV.S3_ENDPOINT_URL else "auto"},  # MinIO and others know no bucket by host
        # botocore's newer checksums are headers that S3-compatible stores refuse, or answer in a form of their own
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    access = {
        "endpoint_url": ENV.S3_ENDPOINT_URL or None,
        "region_name": ENV.S3_REGION or None,
        "access_key": ENV.S3_ACCESS_KEY_ID or None,  # None: of the machine's role
        "secret_key": ENV.S3_SECRET_ACCESS_KEY or None,
    }
    options = {"bucket_name": name, "client_config": client, **access, **options}
    return {"BACKEND": "config.core.buckets.Bucket", "OPTIONS": options}


def _public_store() -> dict[str, Any]:
    """Of pictures, which anybody may see; a name never gets another content, so they may be kept for ever."""
    if not ENV.S3_BUCKET:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"allow_overwrite": True}}
    scheme, _, host = ENV.S3_PUBLIC_URL.rstrip("/").partition("//")
    return _bucket(
        ENV.S3_BUCKET,
        querystring_auth=False,
        object_parameters={"CacheControl": MEDIA_CACHE_CONTROL},
        **({"url_protocol": scheme, "custom_domain": host} if host else {}),
    )


def _private_store() -> dict[str, Any]:
    """Of what is one person's alone: a folder that nothing serves, or addresses that are signed and run out."""
    if ENV.S3_BUCKET:
        return _bucket(ENV.S3_PRIVATE_BUCKET, location="private", querystring_expire=900)
    folder = {"location": DATA_DIR / "private", "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {"BACKEND": "config.core.storage.PrivateFiles", "OPTIONS": folder}


MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = f"{PUBLIC_URL}/media/"
MEDIA_CACHE_CONTROL = "public, max-age=31536000, immutable"
STORAGES = {
    "default": _public_store(),
    "private": _private_store(),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_ALLOW_ALL_ORIGINS = False  # those of CORS_ALLOWED_ORIGINS alone, as for everything else
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
LOGGING = logging_config(level=ENV.LOG_LEVEL, readable=DEBUG)
METRICS_HOST, METRICS_PORT = ENV.HOST, ENV.METRICS_PORT
PROCRASTINATE_ON_APP_READY = "config.core.worker.look_after_jobs"
PROMETHEUS_METRIC_NAMESPACE = ""
PROMETHEUS_EXPORT_MIGRATIONS = False
