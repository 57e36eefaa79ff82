"""Firebase Cloud Messaging on this machine, with the endpoint where a service account gets its access tokens.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages,
https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode and
https://developers.google.com/identity/protocols/oauth2/service-account. A field that our code makes up is refused.
"""

import json
from functools import cache
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.accounts.channels.serving import Answer, Asked, Object, Provider, json_answer

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
AUDIENCE = "https://oauth2.googleapis.com/token"
FIELDS: dict[str, Any] = {
    "token": str,
    "notification": {"title": str, "body": str},
    "data": {"url": str, "reference": str},
    "android": {"collapse_key": str, "notification": {"tag": str}},
    "apns": {"headers": {"apns-collapse-id": str}},
    "webpush": {"headers": {"Topic": str}, "notification": {"tag": str}, "fcm_options": {"link": str}},
}


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def private_key_pem() -> str:
    return private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def problem(status: int, code: str, reason: str = "", message: str = "No.", field: str = "") -> Answer:
    details: list[Object] = []
    if reason:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": reason})
    if field:
        violations = [{"field": field, "description": message}]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    return json_answer(status, {"error": {"code": status, "message": message, "status": code, "details": details}})


DEAD: dict[str, Answer] = {
    "unregistered": problem(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."),
    "elsewhere": problem(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"),
    "malformed": problem(
        400,
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "The registration token is not a valid FCM registration token",
    ),
    "misnamed": problem(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Invalid registration token", "message.token"),
}


class FCM(Provider):
    def __init__(self) -> None:
        super().__init__()
        self.project = "steps-12345"
        self.account = "pusher@steps-12345.iam.gserviceaccount.com"
        self.key_id = uuid4().hex  # or who listens at the same port later would be taken for the same
        self.access: list[str] = []
        self.known_access: set[str] = set()

    @property
    def secrets(self) -> list[str]:
        return [*self.access, private_key_pem().splitlines()[1]]

    def service_account(self, **changes: str) -> str:
        account = {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": self.key_id,
            "private_key": private_key_pem(),
            "client_email": self.account,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        return json.dumps(account | changes)

    def expire_access(self) -> None:
        self.known_access.clear()

    def answer(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) == ("POST", "/token"):
            return self.token(asked.body.decode())
        if (asked.method, asked.path) != ("POST", f"/v1/projects/{self.project}/messages:send"):
            return problem(404, "NOT_FOUND", message="Requested entity was not found.")
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.known_access:
            return problem(401, "UNAUTHENTICATED")
        body = json.loads(asked.body)
        message = body["message"]
        if body.keys() != {"message"} or (field := unknown_field(message, FIELDS, "message")):
            return problem(400, "INVALID_ARGUMENT", message="Unknown name", field=field)
        if len(asked.body) > 4096:
            return problem(400, "INVALID_ARGUMENT", message="Request contains an invalid argument.")
        if message["token"] in DEAD:
            return DEAD[message["token"]]
        name = f"projects/{self.project}/messages/0:{next(self.numbers)}%hush"
        self.taken.append(message | {"name": name})
        return json_answer(200, {"name": name})

    def token(self, form: str) -> Answer:
        given = {name: values[0] for name, values in parse_qs(form).items()}
        assert given.pop("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        public = private_key().public_key()
        claims = jwt.decode(given["assertion"], public, algorithms=["RS256"], audience=AUDIENCE)
        assert claims["scope"] == SCOPE
        if claims["iss"] != self.account:
            return json_answer(400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"})
        access = f"ya29.c.{next(self.numbers):04}-hush-hush"
        self.access.append(access)
        self.known_access.add(access)
        return json_answer(200, {"access_token": access, "expires_in": 3599, "token_type": "Bearer"})


def unknown_field(value: Any, known: Any, path: str) -> str:
    """The first field that the API does not have, or that is of another type; "" if all are well."""
    if not isinstance(known, dict):
        return "" if isinstance(value, known) else path
    for name, inner in value.items():
        if name not in known:
            return f"{path}.{name}"
        if field := unknown_field(inner, known[name], f"{path}.{name}"):
            return field
    return ""
