"""Every setting of a deployment, read once and checked."""

import base64
import json
import subprocess
import sys
from dataclasses import fields
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from config.core.environment import (
    DEVELOPMENT_SECRET,
    Amounts,
    Environment,
    Keys,
    PublicKey,
    Rate,
    Seed,
    SettingError,
    example,
)
from tests.accounts.channels.fcm_server import private_key_pem
from tests.accounts.channels.sendgrid_server import SendGrid

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {
    "SECRET_KEY": "s" * 50,
    "JWT_SECRET": "j" * 32,
    "DATABASE_URL": "postgresql://steps@db/steps",
    "REDIS_URL": "redis://cache:6379/0",
}
SEED = base64.b64encode(bytes(range(32))).decode()
TOKEN_KEY = base64.urlsafe_b64encode(bytes([255] * 32)).decode()
CLOUD = {
    "GOOGLE_HEALTH_CLIENT_ID": "1-a.apps.googleusercontent.com",
    "GOOGLE_HEALTH_CLIENT_SECRET": "GOCSPX-1",
    "TOKEN_KEYS": TOKEN_KEY,
    "PUBLIC_URL": "https://steps.example.org",
}
BUCKETS = {
    "S3_BUCKET": "pictures",
    "S3_PRIVATE_BUCKET": "papers",
    "S3_ACCESS_KEY_ID": "AKIA1",
    "S3_SECRET_ACCESS_KEY": "s3cr3t",
}
PUBLIC_KEY = base64.b64encode(SendGrid().verification_key).decode()
SERVICE_ACCOUNT = json.dumps(
    {
        "project_id": "steps",
        "client_email": "pusher@steps.iam.gserviceaccount.com",
        "private_key": private_key_pem(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
)
TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "hush",
    "TWILIO_FROM": "+15551234567",
    "PUBLIC_URL": "https://steps.example.org",
}
STRIPE = {
    "PAYMENT_GATEWAY": "stripe",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRETS": "whsec_1",
    "PUBLIC_URL": "https://steps.example.org",
}
WRITTEN: dict[str, tuple[str, Any]] = {
    "DEBUG": ("true", True),
    "SECRET_KEY": ("k" * 60, "k" * 60),
    "JWT_SECRET": ("t" * 40, "t" * 40),
    "PORT": ("9000", 9000),
    "HOST": ("0.0.0.0", "0.0.0.0"),
    "PUBLIC_URL": ("https://steps.example.org", "https://steps.example.org"),
    "DATA_DIR": ("/var/lib/pacesetter", "/var/lib/pacesetter"),
    "DATABASE_URL": ("postgresql://a:b@c:5432/d", "postgresql://a:b@c:5432/d"),
    "DATABASE_POOL_SIZE": ("7", 7),
    "REDIS_URL": ("rediss://:p@c:6380/1", "rediss://:p@c:6380/1"),
    "REDIS_POOL_SIZE": ("8", 8),
    "ALLOWED_HOSTS": ("a.example.org, b.example.org,", ("a.example.org", "b.example.org")),
    "CORS_ALLOWED_ORIGINS": ("https://app.example.org", ("https://app.example.org",)),
    "PROXY_COUNT": ("2", 2),
    "SOCKETS_PER_USER": ("3", 3),
    "SOCKETS_PER_ADDRESS": ("70", 70),
    "OPERATIONS_NETWORKS": ("10.0.0.0/8,::1", (ip_network("10.0.0.0/8"), ip_network("::1"))),
    "RATE_LIMIT": ("5.5/20", Rate(5.5, 20)),
    "METRICS_PORT": ("9101", 9101),
    "METRICS_DIR": ("/run/pacesetter/metrics", "/run/pacesetter/metrics"),
    "LOG_LEVEL": ("WARNING", "WARNING"),
    "AUTH_PROVIDERS": ("local,supabase", ("local", "supabase")),
    "SUPABASE_URL": ("https://p.supabase.co", "https://p.supabase.co"),
    "SUPABASE_ANON_KEY": ("anon", "anon"),
    "SUPABASE_JWT_SECRET": ("shared", "shared"),
    "COMPETITIONS_BY_STAFF_ONLY": ("yes", True),
    "PAYMENT_GATEWAY": ("manual", "manual"),
    "STRIPE_SECRET_KEY": ("sk_test_1", "sk_test_1"),
    "STRIPE_WEBHOOK_SECRETS": ("whsec_new, whsec_old", ("whsec_new", "whsec_old")),
    "APPROVAL_OVER": ("500.50,JPY=75000", Amounts({"*": Decimal("500.50"), "JPY": Decimal(75000)})),
    "PAYOUT_CAP": ("0", Amounts({"*": Decimal(0)})),
    "STATEMENT_KEY": (SEED, Seed(range(32))),
    "GOOGLE_HEALTH_CLIENT_ID": ("1-a.apps.googleusercontent.com", "1-a.apps.googleusercontent.com"),
    "GOOGLE_HEALTH_CLIENT_SECRET": ("GOCSPX-1", "GOCSPX-1"),
    "GOOGLE_HEALTH_WEBHOOK_SECRETS": ("Bearer new, Bearer old", ("Bearer new", "Bearer old")),
    "GOOGLE_FIT_CLIENT_ID": ("2-b.apps.googleusercontent.com", "2-b.apps.googleusercontent.com"),
    "GOOGLE_FIT_CLIENT_SECRET": ("GOCSPX-2", "GOCSPX-2"),
    "TOKEN_KEYS": (f"{TOKEN_KEY}, {TOKEN_KEY}", Keys((TOKEN_KEY, TOKEN_KEY))),
    "CLOUD_POLL_MINUTES": ("5", 5),
    "BREAKER_FAILURES": ("3", 3),
    "BREAKER_SECONDS": ("60", 60),
    "MAIL_FROM": ("Steps <steps@example.org>", "Steps <steps@example.org>"),
    "SENDGRID_API_KEY": ("SG.1", "SG.1"),
    "SENDGRID_WEBHOOK_KEY": (PUBLIC_KEY, PublicKey(base64.b64decode(PUBLIC_KEY))),
    "FCM_SERVICE_ACCOUNT": (SERVICE_ACCOUNT, SERVICE_ACCOUNT),
    "TWILIO_ACCOUNT_SID": ("AC1", "AC1"),
    "TWILIO_AUTH_TOKEN": ("hush", "hush"),
    "TWILIO_FROM": ("+15551234567", "+15551234567"),
    "OWNER_ONLY_SOURCES": ("strava, google_fit", ("strava", "google_fit")),
    "S3_BUCKET": ("pictures", "pictures"),
    "S3_PRIVATE_BUCKET": ("papers", "papers"),
    "S3_ENDPOINT_URL": ("https://minio.example.org", "https://minio.example.org"),
    "S3_REGION": ("eu-central-1", "eu-central-1"),
    "S3_ACCESS_KEY_ID": ("AKIA1", "AKIA1"),
    "S3_SECRET_ACCESS_KEY": ("s3cr3t", "s3cr3t"),
    "S3_PUBLIC_URL": ("https://cdn.example.org/pictures", "https://cdn.example.org/pictures"),
    "MAX_BODY_BYTES": ("1000", 1000),
    "MAX_IMPORT_BYTES": ("1000", 1000),
}
OF_EARLIER_SERVICES = {
    "PORT", "DATABASE_URL", "REDIS_URL", "SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_JWT_SECRET", "LOG_LEVEL",
    "RATE_LIMIT",
}  # fmt: skip


@pytest.mark.parametrize("name", [known.name for known in fields(Environment)])
def test_every_setting_is_read(name: str) -> None:
    written, read = WRITTEN[name]
    others = {"GOOGLE_FIT_CLIENT_SECRET": "x", "SUPABASE_URL": "https://q.supabase.co", "MAIL_FROM": "x@example.org"}
    environ = NEEDED | CLOUD | BUCKETS | TWILIO | others | {name: written}
    assert getattr(Environment.read(environ), name) == read
    assert getattr(Environment.read(environ | {name: f"  {written} "}), name) == read


def test_an_empty_setting_is_an_unset_one() -> None:
    empty = {known.name: "" for known in fields(Environment)} | NEEDED
    assert Environment.read(empty) == Environment.read(NEEDED)


def test_names_that_deployments_already_have_are_kept() -> None:
    assert {known.name for known in fields(Environment)} >= OF_EARLIER_SERVICES
    read = Environment.read(NEEDED)
    assert (8080, Rate(100, 200)) == (read.PORT, read.RATE_LIMIT)


def test_zero_switches_the_limits_off() -> None:
    assert Environment.read(NEEDED | {"RATE_LIMIT": "0"}).RATE_LIMIT.per_second == 0


@pytest.mark.parametrize("level", ["debug", "info", "Warning", "error"])
def test_a_log_level_may_be_written_small_as_earlier_services_did(level: str) -> None:
    assert level.upper() == Environment.read(NEEDED | {"LOG_LEVEL": level}).LOG_LEVEL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("DATABASE_POOL_SIZE", "many"),
        ("DATABASE_POOL_SIZE", "0"),
        ("REDIS_POOL_SIZE", "0"),
        ("PROXY_COUNT", "-1"),
        ("MAX_BODY_BYTES", "2MB"),
        ("MAX_BODY_BYTES", "0"),
        ("OPERATIONS_NETWORKS", "10.0.0.1/8"),
        ("OPERATIONS_NETWORKS", "localhost"),
        ("RATE_LIMIT", "100"),
        ("RATE_LIMIT", "-1/5"),
        ("RATE_LIMIT", "5/0"),
        ("RATE_LIMIT", "nan/5"),
        ("RATE_LIMIT", "inf/5"),
        ("RATE_LIMIT", "fast/slow"),
        ("LOG_LEVEL", "LOUD"),
        ("AUTH_PROVIDERS", "google"),
        ("AUTH_PROVIDERS", "supabase"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("DATABASE_URL", "mysql://a:b@c/d"),
        ("DATABASE_URL", "postgresql://a:b@c:port/d"),
        ("PAYMENT_GATEWAY", "paypal"),
        ("PAYMENT_GATEWAY", "sandbox"),
        ("APPROVAL_OVER", "much"),
        ("APPROVAL_OVER", "-1"),
        ("APPROVAL_OVER", "1e3"),
        ("APPROVAL_OVER", "NaN"),
        ("APPROVAL_OVER", "1.0005"),
        ("APPROVAL_OVER", "1000,XXX=5"),
        ("APPROVAL_OVER", "1000,jpy=5"),
        ("APPROVAL_OVER", "1000,JPY="),
        ("APPROVAL_OVER", "1000,JPY=1,JPY=2"),
        ("APPROVAL_OVER", "1000,2000"),
        ("APPROVAL_OVER", "=1000"),
        ("PAYOUT_CAP", "JPY=150000"),
        ("PAYOUT_CAP", ","),
        ("S3_ENDPOINT_URL", "minio.example.org"),
        ("S3_PUBLIC_URL", "ftp://cdn.example.org"),
        ("S3_PUBLIC_URL", "https://cdn.example.org/?bucket=a"),
        ("S3_PUBLIC_URL", "https://[cdn"),
        ("CLOUD_POLL_MINUTES", "0"),
        ("BREAKER_FAILURES", "0"),
        ("BREAKER_SECONDS", "0"),
        ("TOKEN_KEYS", ","),
        ("TOKEN_KEYS", "c2hvcnQ="),
        ("STATEMENT_KEY", "c2hvcnQ="),
        ("STATEMENT_KEY", "no base64!"),
        ("SENDGRID_WEBHOOK_KEY", "no base64!"),
        ("SENDGRID_WEBHOOK_KEY", "c2hvcnQ="),
        ("SENDGRID_WEBHOOK_KEY", PUBLIC_KEY[:-4]),
        ("FCM_SERVICE_ACCOUNT", "/nowhere/account.json"),
        ("FCM_SERVICE_ACCOUNT", "{"),
        ("FCM_SERVICE_ACCOUNT", "{}"),
        ("FCM_SERVICE_ACCOUNT", SERVICE_ACCOUNT.replace("project_id", "project")),
        ("FCM_SERVICE_ACCOUNT", '{"private_key": 5}'),
        ("STATEMENT_KEY", "\u00e4" * 43 + "="),
    ],
)
def test_a_wrong_value_is_one_clear_sentence_that_names_the_setting(name: str, value: str) -> None:
    with pytest.raises(SettingError) as refused:
        Environment.read(NEEDED | {name: value})
    sentence = str(refused.value)
    assert name in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("REDIS_URL", ""),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", DEVELOPMENT_SECRET),
        ("SECRET_KEY", "short"),
        ("JWT_SECRET", ""),
        ("JWT_SECRET", "short"),
        ("JWT_SECRET", DEVELOPMENT_SECRET),
    ],
)
def test_without_debug_nothing_starts_unsafely(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        Environment.read(NEEDED | {name: value})


def test_a_secret_that_is_too_short_is_not_repeated() -> None:
    for name in ("SECRET_KEY", "JWT_SECRET"):
        with pytest.raises(SettingError) as refused:
            Environment.read(NEEDED | {name: "hunter2"})
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("seed", ["hunter2", SEED[:-4], SEED + SEED, "hunter2!" * 5])
def test_a_statement_key_of_the_wrong_length_is_not_repeated(seed: str) -> None:
    with pytest.raises(SettingError, match="STATEMENT_KEY") as refused:
        Environment.read(NEEDED | {"STATEMENT_KEY": seed})
    assert seed not in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("keys", ["hunter2", TOKEN_KEY[:-4], f"{TOKEN_KEY},hunter2", "hunter2!" * 5])
def test_a_token_key_that_is_none_is_not_repeated(keys: str) -> None:
    with pytest.raises(SettingError, match="TOKEN_KEYS") as refused:
        Environment.read(NEEDED | {"TOKEN_KEYS": keys})
    assert keys not in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["GOOGLE_HEALTH_CLIENT_SECRET", "TOKEN_KEYS", "PUBLIC_URL"])
def test_a_cloud_needs_its_secret_keys_for_tokens_and_an_address_to_come_back_to(name: str) -> None:
    assert Environment.read(NEEDED | CLOUD).token_keys == (TOKEN_KEY,)
    with pytest.raises(SettingError, match=name):
        Environment.read(NEEDED | CLOUD | {name: ""})


def test_tokens_are_encrypted_with_a_key_of_everybody_s_in_development_only() -> None:
    assert len(Environment.read({"DEBUG": "true"}).token_keys) == 1
    assert Environment.read(NEEDED).token_keys == ()


def test_a_bucket_of_pictures_needs_one_of_private_files_beside_it() -> None:
    """Or what is one person's alone would land where everybody may read."""
    with pytest.raises(SettingError, match="S3_PRIVATE_BUCKET"):
        Environment.read(NEEDED | BUCKETS | {"S3_PRIVATE_BUCKET": ""})


@pytest.mark.parametrize("name", ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"])
def test_half_a_key_of_a_bucket_is_none(name: str) -> None:
    with pytest.raises(SettingError, match=name):
        Environment.read(NEEDED | BUCKETS | {name: ""})


@pytest.mark.parametrize("name", ["TWILIO_AUTH_TOKEN", "TWILIO_FROM", "PUBLIC_URL"])
def test_twilio_needs_its_token_a_sender_and_an_address_to_report_to(name: str) -> None:
    assert Environment.read(NEEDED | TWILIO).TWILIO_ACCOUNT_SID == "AC1"
    with pytest.raises(SettingError, match=name):
        Environment.read(NEEDED | TWILIO | {name: ""})


def test_sendgrid_needs_a_sender() -> None:
    with pytest.raises(SettingError, match="MAIL_FROM"):
        Environment.read(NEEDED | {"SENDGRID_API_KEY": "SG.1"})


def test_a_service_account_may_be_a_file_and_is_never_repeated(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(SERVICE_ACCOUNT)
    assert Environment.read(NEEDED | {"FCM_SERVICE_ACCOUNT": str(path)}).FCM_SERVICE_ACCOUNT == SERVICE_ACCOUNT
    path.write_text(SERVICE_ACCOUNT.replace("token_uri", "uri"))
    for written in (str(path), path.read_text()):
        with pytest.raises(SettingError) as refused:
            Environment.read(NEEDED | {"FCM_SERVICE_ACCOUNT": written})
        assert "PRIVATE KEY" not in str(refused.value)


@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS", "PUBLIC_URL"])
def test_stripe_needs_its_keys_and_an_address_to_come_back_to(name: str) -> None:
    assert Environment.read(NEEDED | STRIPE).payment_gateway == "stripe"
    with pytest.raises(SettingError, match=name):
        Environment.read(NEEDED | STRIPE | {name: ""})


def test_money_only_pretends_where_nobody_else_is() -> None:
    assert Environment.read({"DEBUG": "true"}).payment_gateway == "sandbox"
    assert Environment.read({"DEBUG": "true", "PAYMENT_GATEWAY": "manual"}).payment_gateway == "manual"
    assert Environment.read(NEEDED).payment_gateway == "manual"


def test_statements_are_signed_with_a_key_of_everybody_s_in_development_only() -> None:
    assert len(Environment.read({"DEBUG": "true"}).statement_key) == 32
    assert Environment.read(NEEDED).statement_key == b""
    assert Environment.read(NEEDED | {"STATEMENT_KEY": SEED}).statement_key == bytes(range(32))


def test_with_debug_nothing_is_needed() -> None:
    assert Environment.read({"DEBUG": "true"}).auth_providers == ("local",)


def test_supabase_alone_needs_no_secret_of_our_own() -> None:
    supabase = {"SUPABASE_URL": "https://p.supabase.co", "JWT_SECRET": ""}
    assert Environment.read(NEEDED | supabase).auth_providers == ("supabase",)


def test_the_example_is_what_the_code_says() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == example()


def test_the_example_gives_the_defaults() -> None:
    lines = [line for line in example().splitlines() if line and not line.startswith("#")]
    written = dict(line.split("=", 1) for line in lines)
    assert written.keys() == {known.name for known in fields(Environment)}
    assert Environment.read(written | NEEDED) == Environment.read(NEEDED)
    assert {written[name] for name in written if name.endswith(("_SECRET", "_KEY"))} == {""}


def test_a_process_with_a_wrong_setting_ends_with_its_sentence() -> None:
    environ = NEEDED | {"PORT": "http"}
    ended = subprocess.run(
        [sys.executable, "-m", "config.serve"], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert ended.stderr.startswith("Pacesetter cannot start: PORT ")
    assert "Traceback" not in ended.stderr
