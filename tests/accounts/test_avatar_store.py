"""Pictures in a bucket: moto's server speaks S3 over HTTP, and one of ours goes wrong as stores do."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from moto.server import ThreadedMotoServer

from accounts.models import User
from accounts.pictures.names import LARGE, SMALL, picture_name
from accounts.services.pictures import change_picture, remove_orphan_pictures, remove_picture
from config import settings as written
from config.core.storage import StoreOut, reaching_store
from tests.accounts.drawing import GREEN, RED, encoded, opened, plain

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PICTURE, OTHER_PICTURE = encoded(plain(RED), "PNG"), encoded(plain(GREEN), "PNG")
URL = "/api/v1/users/me/avatar"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def use_bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The storages as a deployment with these settings has them."""

    def use(endpoint: str, **changes: str) -> None:
        bucket: dict[str, Any] = {
            "S3_BUCKET": "pictures",
            "S3_PRIVATE_BUCKET": "papers",
            "S3_ENDPOINT_URL": endpoint,
            "S3_ACCESS_KEY_ID": "AKIA1",
            "S3_SECRET_ACCESS_KEY": "s3cr3t",
            "S3_REGION": "eu-central-1",
        }
        monkeypatch.setattr(written, "ENV", replace(written.ENV, **(bucket | changes)))
        ours = {"default": written._public_store(), "private": written._private_store()}
        settings.STORAGES = settings.STORAGES | ours

    return use


@pytest.fixture
def bucket(moto: str, use_bucket: Any) -> Iterator[Any]:
    """As its owner sees it."""
    session = boto3.Session(aws_access_key_id="AKIA1", aws_secret_access_key="s3cr3t", region_name="eu-central-1")
    owner = session.resource("s3", endpoint_url=moto, config=Config(s3={"addressing_style": "path"}))
    place = {"LocationConstraint": "eu-central-1"}
    made = [owner.create_bucket(Bucket=name, CreateBucketConfiguration=place) for name in ("pictures", "papers")]
    use_bucket(moto)
    yield made[0]
    for each in made:
        each.objects.all().delete()
        each.delete()


def keys(bucket: Any) -> list[str]:
    return sorted(item.key for item in bucket.objects.all())


def pair(person: User) -> list[str]:
    person.refresh_from_db()
    return sorted(picture_name(person.id, person.avatar, side) for side in (LARGE, SMALL))


def test_a_picture_lies_in_the_bucket_with_what_a_browser_needs(
    bucket: Any, person: User, signed_in: Any, moto: str
) -> None:
    answer = signed_in(person).post(URL, {"avatar": ContentFile(PICTURE, "me.png")}, format="multipart")
    url = answer.json()["data"]["avatar"]
    assert url == f"{moto}/pictures/{pair(person)[0]}"
    assert keys(bucket) == pair(person)
    bucket.Object(pair(person)[0]).Acl().put(ACL="public-read")  # as a policy of a real bucket says
    served = httpx.get(url)
    assert (served.status_code, served.headers["content-type"]) == (200, "image/webp")
    assert served.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert opened(served.content).size == (200, 200)
    assert Client().get(f"/media/{pair(person)[0]}").status_code == 404, "here it has no address"


def test_old_ones_and_orphans_leave_the_bucket(
    bucket: Any, person: User, now: datetime, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        for picture in (PICTURE, OTHER_PICTURE):
            change_picture(user_id=person.id, picture=picture, now=now)
    assert keys(bucket) == pair(person)
    bucket.put_object(Key=picture_name(person.id, "d" * 32, LARGE), Body=b"x")
    assert remove_orphan_pictures() == 1
    assert keys(bucket) == pair(person)
    with django_capture_on_commit_callbacks(execute=True):
        remove_picture(user_id=person.id, now=now)
    assert keys(bucket) == []


def test_behind_a_cdn_addresses_are_its_own(
    bucket: Any, use_bucket: Any, moto: str, person: User, now: datetime
) -> None:
    use_bucket(moto, S3_PUBLIC_URL="https://cdn.example.org/storage/v1/object/public/pictures/")
    change_picture(user_id=person.id, picture=PICTURE, now=now)
    url = storages["default"].url(pair(person)[0])
    assert url == f"https://cdn.example.org/storage/v1/object/public/pictures/{pair(person)[0]}"


def test_private_files_have_addresses_that_run_out(bucket: Any) -> None:
    name = storages["private"].save("exports/a.zip", ContentFile(b"mine"))
    url = storages["private"].url(name)
    assert "/papers/private/exports/a.zip?" in url
    assert "X-Amz-Expires=900" in url
    assert httpx.get(url).content == b"mine"
    assert httpx.get(url.partition("?")[0]).status_code == 403
    assert keys(bucket) == []


# --- A store that goes wrong ---


class Faulty:
    """Takes so many files and then answers every request with ``status``."""

    def __init__(self) -> None:
        self.takes, self.status, self.seen, self.url = 0, 500, list[tuple[str, str, str]](), ""


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    store = Faulty()

    class Store(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sums = ",".join(name.lower() for name in self.headers if "checksum" in name.lower())
            store.seen.append((self.command, self.path, sums))
            store.takes -= self.command == "PUT"
            self.send_response(200 if store.takes >= 0 else store.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_DELETE = do_GET = do_HEAD = _answer  # noqa: N815 - names of http.server

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        store.url = f"http://127.0.0.1:{server.server_port}"
        yield store
        server.shutdown()
        thread.join()


def refused(person: User, signed_in: Any) -> Any:
    before = User.objects.values().get(id=person.id)
    answer = signed_in(person).post(URL, {"avatar": ContentFile(PICTURE, "me.png")}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (503, 503)
    assert answer.json()["message"] == "Files cannot be kept at this moment; try again in a while."
    assert "Retry-After" in answer
    assert User.objects.values().get(id=person.id) == before
    return answer


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_store_that_fails_in_the_middle_leaves_no_half_picture(
    faulty: Faulty, use_bucket: Any, person: User, signed_in: Any, status: int
) -> None:
    use_bucket(faulty.url)
    faulty.takes, faulty.status = 1, status
    refused(person, signed_in)
    put = [path for verb, path, _ in faulty.seen if verb == "PUT"]
    assert len(set(put)) == 2, "the first was kept, the second was not"
    assert put[0] in [path for verb, path, _ in faulty.seen if verb == "DELETE"], "so the first is taken away again"


def test_a_store_that_is_down_is_a_503(use_bucket: Any, person: User, signed_in: Any) -> None:
    use_bucket("http://127.0.0.1:9")
    refused(person, signed_in)
    with pytest.raises(StoreOut):
        remove_orphan_pictures()


def test_a_bucket_that_is_not_there_is_a_503(moto: str, use_bucket: Any, person: User, signed_in: Any) -> None:
    use_bucket(moto, S3_BUCKET="elsewhere")
    refused(person, signed_in)


def test_a_picture_can_be_removed_while_the_store_is_down(
    bucket: Any, moto: str, use_bucket: Any, person: User, now: datetime, django_capture_on_commit_callbacks: Any
) -> None:
    change_picture(user_id=person.id, picture=PICTURE, now=now)
    use_bucket("http://127.0.0.1:9")
    with django_capture_on_commit_callbacks(execute=True):
        remove_picture(user_id=person.id, now=now)
    assert User.objects.get(id=person.id).avatar == ""
    with pytest.raises(StoreOut):
        remove_orphan_pictures()
    use_bucket(moto)
    assert len(keys(bucket)) == 2
    assert remove_orphan_pictures() == 1
    assert keys(bucket) == []


def test_no_checksums_are_sent_that_other_stores_refuse(
    faulty: Faulty, use_bucket: Any, person: User, now: datetime
) -> None:
    use_bucket(faulty.url)
    faulty.takes = 2
    change_picture(user_id=person.id, picture=PICTURE, now=now)
    assert [(verb, sums) for verb, _, sums in faulty.seen] == [("PUT", ""), ("PUT", "")]


def test_a_folder_that_cannot_be_written_is_a_503_too(
    person: User, signed_in: Any, settings: Any, tmp_path: Any
) -> None:
    (tmp_path / "media").write_bytes(b"a file where the folder should be")
    settings.MEDIA_ROOT = tmp_path / "media"
    refused(person, signed_in)


def test_private_files_in_a_folder_are_for_the_server_alone(settings: Any, tmp_path: Any) -> None:
    folder = written._private_store()
    folder["OPTIONS"]["location"] = tmp_path / "private"
    settings.STORAGES = settings.STORAGES | {"private": folder}
    name = storages["private"].save("exports/a.zip", ContentFile(b"mine"))
    assert (tmp_path / "private" / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "private" / "exports").stat().st_mode & 0o777 == 0o700
    with pytest.raises(ValueError, match="no address"):
        storages["private"].url(name)
    with pytest.raises(StoreOut), reaching_store():
        storages["private"].open("exports/none.zip")
