"""POST and DELETE /api/v1/users/{user_id}/avatar, the files that it makes, and whoever shows them."""

import io
import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection
from django.test import Client
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import Scope, User
from accounts.pictures.names import LARGE, SMALL, picture_name
from accounts.pictures.opening import MOST_BYTES, PictureTooLarge, redraw_picture
from accounts.services.people import erase_person
from accounts.services.pictures import change_picture, remove_orphan_pictures, remove_picture
from accounts.tasks import remove_orphan_pictures as nightly
from config.asgi import application
from config.core.environment import Rate
from config.core.errors import NotFound
from config.core.threads import in_thread
from leaderboards.frames import snapshot_frame
from leaderboards.queries import board_page
from tests.accounts.drawing import GREEN, RED, SVG, encoded, opened, photograph, plain
from tests.config.test_body_limit import post as post_raw

pytestmark = pytest.mark.django_db
URL = "/api/v1/users/me/avatar"
PICTURE = encoded(plain(RED), "PNG")
OTHER_PICTURE = encoded(plain(GREEN), "PNG")

SignIn = Callable[[User], APIClient]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def me(person: User, signed_in: SignIn) -> APIClient:
    return signed_in(person)


@pytest.fixture
def committing(django_capture_on_commit_callbacks: Any) -> Any:
    """Within it, what is said to happen after the commit does."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def send(
    client: APIClient, content: bytes = PICTURE, url: str = URL, *, name: str = "me.jpg", field: str = "avatar"
) -> Any:
    return client.post(url, {field: SimpleUploadedFile(name, content, "image/jpeg")}, format="multipart")


def files(media: Path) -> list[str]:
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


def pair(person: User) -> list[str]:
    person.refresh_from_db()
    return sorted(picture_name(person.id, person.avatar, side) for side in (LARGE, SMALL))


# --- Sending one ---


def test_a_picture_becomes_part_of_the_profile_and_is_served_for_ever(me: APIClient, person: User, media: Path) -> None:
    answer = send(me, photograph(), name="sunset.exe")
    assert answer.status_code == 200, answer.json()
    profile = answer.json()["data"]
    assert profile["avatar"] == f"/media/{pair(person)[0]}"
    assert re.fullmatch(r"/media/avatars/../[0-9a-f-]{36}-[0-9a-f]{32}-512\.webp", profile["avatar"])
    assert me.get("/api/v1/users/me/profile").json()["data"] == profile
    assert files(media) == pair(person)
    served = Client().get(profile["avatar"])
    assert served.status_code == 200
    assert (served["Content-Type"], served["X-Content-Type-Options"]) == ("image/webp", "nosniff")
    assert served["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in served
    assert opened(served.content).size == (512, 512)
    assert not opened(served.content).getexif()


def test_the_same_picture_changes_nothing(me: APIClient, person: User, media: Path) -> None:
    first = send(me).json()["data"]
    assert send(me).json()["data"] == first
    assert send(me, name="other.gif", url=f"/api/v1/users/{person.id}/avatar/").json()["data"] == first
    assert files(media) == pair(person)


def test_another_picture_takes_the_place_of_the_old_one(
    me: APIClient, person: User, media: Path, committing: Any
) -> None:
    first = send(me).json()["data"]
    with committing():
        second = send(me, OTHER_PICTURE).json()["data"]
        assert len(files(media)) == 4, "until the commit, the old one is shown"
    assert second["avatar"] != first["avatar"]
    assert second["updated_at"] > first["updated_at"]
    assert files(media) == pair(person)
    assert Client().get(first["avatar"]).status_code == 404


def test_it_can_be_removed(me: APIClient, media: Path, committing: Any) -> None:
    send(me)
    with committing():
        answer = me.delete(URL)
    assert (answer.status_code, answer.json()["data"]["avatar"]) == (200, None)
    assert files(media) == []
    assert me.delete(URL).json()["data"] == answer.json()["data"]


def test_whoever_removes_theirs_takes_nothing_from_another_with_the_same(
    me: APIClient, other: User, signed_in: SignIn, media: Path, committing: Any
) -> None:
    send(me)
    send(signed_in(other))
    assert len(files(media)) == 4
    with committing():
        me.delete(URL)
    assert files(media) == pair(other)


def test_the_files_of_an_erased_person_are_gone(
    me: APIClient, person: User, now: datetime, media: Path, committing: Any
) -> None:
    send(me)
    with committing():
        erase_person(user_id=person.id, now=now)
        assert len(files(media)) == 2
    assert files(media) == []
    with pytest.raises(NotFound):
        change_picture(user_id=person.id, picture=PICTURE, now=now)
    assert files(media) == [], "nor does a picture that was under way stay"


def test_a_form_may_hand_over_a_file(person: User, now: datetime, media: Path) -> None:
    changed = change_picture(user_id=person.id, picture=io.BytesIO(PICTURE), now=now)
    assert (changed.avatar, changed.updated_at) == (redraw_picture(PICTURE).digest, now)
    assert files(media) == pair(person)
    with pytest.raises(PictureTooLarge):
        change_picture(user_id=person.id, picture=io.BytesIO(bytes(MOST_BYTES + 1)), now=now)
    assert remove_picture(user_id=person.id, now=now).avatar == ""


@pytest.mark.parametrize("avatar", ["https://example.org/a.png", "../../x", "0" * 31, "G" * 32])
def test_a_row_holds_a_digest_and_nothing_else(person: User, avatar: str) -> None:
    with pytest.raises(IntegrityError, match="avatar_is_a_digest"):
        User.objects.filter(id=person.id).update(avatar=avatar)


# --- Who may, and what is refused ---


def test_it_takes_the_person_themselves(
    anonymous: APIClient, other: User, person: User, staff: User, signed_in: SignIn, with_key: Any, media: Path
) -> None:
    theirs, nobody = f"/api/v1/users/{other.id}/avatar", f"/api/v1/users/{uuid4()}/avatar"
    for client, url, code in (
        (anonymous, theirs, 401),
        (anonymous, URL, 401),
        (with_key(*Scope), theirs, 403),
        (signed_in(person), theirs, 403),
        (signed_in(staff), theirs, 403),
        (signed_in(person), nobody, 404),
        (signed_in(person), "/api/v1/users/17/avatar", 404),
    ):
        for answer in (send(client, url=url), client.delete(url)):
            assert (answer.status_code, answer.json()["code"]) == (code, code), url
    assert files(media) == []


@pytest.mark.parametrize("verb", ["get", "put", "patch"])
def test_it_is_only_sent_and_removed(me: APIClient, verb: str) -> None:
    answer = getattr(me, verb)(URL)
    assert (answer.status_code, answer.json()["code"]) == (405, 405)


def test_what_cannot_be_used_is_refused_under_the_name_of_the_field(me: APIClient, person: User, media: Path) -> None:
    send(me)
    before = User.objects.values().get(id=person.id)
    for answer, code in (
        (me.post(URL), 400),
        (me.post(URL, {"avatar": "a"}), 415),
        (me.post(URL, {"avatar": "words"}, format="multipart"), 400),
        (me.post(URL, {}, format="multipart"), 400),
        (send(me, field="picture"), 400),
        (send(me, b""), 400),
        (send(me, PICTURE[:-40]), 400),
        (send(me, SVG, name="me.png"), 415),
    ):
        body = answer.json()
        assert (answer.status_code, body["code"], list(body["details"])) == (code, code, ["avatar"]), body
        assert body["details"]["avatar"] == [body["message"]]
    broken = me.generic("POST", URL, "--x\r\nnonsense", content_type="multipart/form-data; boundary=y\x00")
    assert broken.status_code == 400
    assert User.objects.values().get(id=person.id) == before
    assert files(media) == pair(person)


def test_more_than_five_megabytes_are_too_large(me: APIClient) -> None:
    answer = send(me, PICTURE + bytes(MOST_BYTES))
    assert (answer.status_code, answer.json()["details"]) == (413, {"avatar": ["A picture may have 5 MB at most."]})


@pytest.mark.django_db(transaction=True)
async def test_a_body_that_is_far_too_large_is_not_even_received(person: User) -> None:
    head = {"content-type": "multipart/form-data; boundary=x", "content-length": str(9 * 1024**2)}
    token = {"authorization": f"Bearer {AccessToken.for_user(person)}"}
    answer = await post_raw(application, URL, [b"x"], head | token, sends_all=False)
    assert answer.status == 413
    assert list(answer.json()["details"]) == ["avatar"]
    assert (await post_raw(application, URL, [b"x"], head, sends_all=False)).status == 401


def test_ten_at_once_are_enough(me: APIClient, settings: Any) -> None:
    settings.RATE_LIMIT = Rate(100, 200)
    codes = [me.post(URL, {}, format="multipart").status_code for _ in range(11)]
    assert codes == [400] * 10 + [429]
    assert me.delete(URL).status_code == 200


# --- Where it is shown ---


def test_boards_and_lists_show_the_small_one_and_are_redrawn(
    me: APIClient, person: User, make_competition: Any, join: Any, settings: Any
) -> None:
    competition = make_competition()
    join(competition, person)
    board, people = f"/api/v1/leaderboard/{competition.id}", f"/api/v1/competitions/{competition.id}/participants"
    before = me.get(board).json()["data"]
    assert before["entries"][0]["avatar"] is None
    send(me)
    after = me.get(board).json()["data"]
    small = f"/media/{pair(person)[1]}"
    assert small.endswith("-96.webp")
    assert (after["entries"][0]["avatar"], after["version"] > before["version"]) == (small, True)
    assert me.get(people).json()["data"][0]["avatar"] == small
    assert (
        json.loads(snapshot_frame(board_page(competition, offset=0, limit=1)))["data"]["rankings"][0]["avatar"] == small
    )
    assert opened(Client().get(small).content).size == (96, 96)
    me.delete(URL)
    assert me.get(board).json()["data"]["entries"][0]["avatar"] is None


def test_a_store_that_moves_needs_no_new_rows(
    me: APIClient, person: User, make_competition: Any, join: Any, settings: Any
) -> None:
    """Neither in PostgreSQL nor in Redis."""
    competition = make_competition()
    join(competition, person)
    send(me)
    board = f"/api/v1/leaderboard/{competition.id}?around=me"  # which nothing remembers for a minute
    before = me.get(board).json()["data"]
    moved = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"base_url": "https://cdn.example.org/"},
    }
    settings.STORAGES = settings.STORAGES | {"default": moved}
    after = me.get(board).json()["data"]
    assert after["entries"][0]["avatar"] == f"https://cdn.example.org/{pair(person)[1]}"
    assert (after["version"], after["epoch"]) == (before["version"], before["epoch"])
    assert me.get("/api/v1/users/me/profile").json()["data"]["avatar"].startswith("https://cdn.example.org/avatars/")


@pytest.mark.parametrize(
    "path",
    [
        "avatars/00/00000000-0000-0000-0000-000000000000-{d}-512.webp",
        "avatars/00/00000000-0000-0000-0000-000000000000-{d}-513.webp",
        "avatars/../secret.webp",
        "avatars/%2e%2e/secret.webp",
        "avatars/",
        "secret.txt",
        "",
    ],
)
@pytest.mark.parametrize("verb", ["get", "post"])
def test_nothing_else_is_served(media: Path, path: str, verb: str) -> None:
    (media / "avatars").mkdir(parents=True)
    (media / "secret.webp").write_bytes(b"secret")
    (media / "secret.txt").write_bytes(b"secret")
    answer = getattr(Client(enforce_csrf_checks=True), verb)("/media/" + path.format(d="0" * 32))
    known = "512.webp" in path and verb == "post"
    assert (answer.status_code, answer.json()["success"]) == (405 if known else 404, False)


@pytest.mark.django_db(transaction=True)
async def test_the_server_itself_hands_it_over(person: User, now: datetime) -> None:
    changed = await in_thread(change_picture)(user_id=person.id, picture=PICTURE, now=now)
    path = f"/media/{picture_name(person.id, changed.avatar, SMALL)}"
    talk: Any = ApplicationCommunicator(  # type: ignore[no-untyped-call]  # asgiref has no types here
        application,
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "client": ("192.0.2.1", 1234),
            "server": ("testserver", 80),
            "headers": [(b"host", b"testserver")],
        },
    )
    await talk.send_input({"type": "http.request", "body": b""})
    start = await talk.receive_output(timeout=5)
    assert (start["status"], dict(start["headers"])[b"X-Content-Type-Options"]) == (200, b"nosniff")
    assert opened((await talk.receive_output(timeout=5))["body"]).size == (96, 96)
    await talk.wait()


# --- What is left over ---


def test_at_night_what_nobody_shows_is_removed(me: APIClient, person: User, other: User, media: Path) -> None:
    send(me)
    shown = pair(person)
    left = [picture_name(who, "d" * 32, side) for who in (person.id, other.id, uuid4()) for side in (LARGE, SMALL)]
    half = picture_name(other.id, "e" * 32, LARGE)
    foreign = f"avatars/{str(person.id)[:2]}/README"
    for name in (*left, half, foreign):
        storages["default"].save(name, io.BytesIO(b"x"))
    nightly(0)
    assert files(media) == sorted([*shown, foreign])
    assert remove_orphan_pictures() == 0


def test_a_night_without_pictures_is_one_without_work() -> None:
    assert remove_orphan_pictures() == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_pictures_sent_at_once_one_pair_of_files_is_left(person: User, media: Path) -> None:
    """The same two again and again, so that each is removed while it comes back."""
    start, problems = threading.Barrier(4), []

    def walk(pictures: list[bytes]) -> None:
        try:
            start.wait()
            for picture in pictures:
                change_picture(user_id=person.id, picture=picture, now=datetime.now(UTC))
                remove_orphan_pictures()
        except Exception as error:
            problems.append(error)
        finally:
            connection.close()

    orders = [[PICTURE, OTHER_PICTURE] * 4, [OTHER_PICTURE, PICTURE] * 4] * 2
    threads = [threading.Thread(target=walk, args=[order]) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert files(media) == pair(person)
    assert all(opened((media / name).read_bytes()).format == "WEBP" for name in pair(person))
    assert User.objects.get(id=person.id).avatar in {redraw_picture(each).digest for each in (PICTURE, OTHER_PICTURE)}
