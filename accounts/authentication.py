"""Who is calling: a person by a bearer token, or a service by its key."""

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ServiceKey, User
from accounts.queries import active_service_key
from accounts.services.people import admit_person
from accounts.tokens import Claims, InvalidToken, verify_token
from config.core.audit import note, note_person
from config.core.request import address_of, note_caller


class CallerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <JWT>`` gives a person in ``request.user`` and the token's Claims in ``request.auth``;
    ``X-API-Key`` gives a service, with nobody in ``request.user`` and its ServiceKey in ``request.auth``."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Claims | ServiceKey] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            person, claims = self._person(token.strip())
            note_caller(request._request, person.id)
            note_person(person, request._request)
            return person, claims
        if secret := request.headers.get("X-API-Key"):
            key = active_service_key(secret)
            if key is None:
                raise AuthenticationFailed
            note_caller(request._request, key.id)
            note(service_key=key.name, address=address_of(request._request))
            return AnonymousUser(), key
        return None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    def _person(self, token: str) -> tuple[User, Claims]:
        try:
            claims = verify_token(token)
            person = admit_person(claims)
        except InvalidToken as error:
            raise AuthenticationFailed from error
        if person is None:
            raise AuthenticationFailed
        return person, claims
