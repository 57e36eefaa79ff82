"""Pictures of people: they are accounts', the profile that answers is made up here."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pictures import PictureBody, picture_in
from accounts.paths import person_named
from accounts.permissions import PersonOnly, caller
from accounts.queries import person
from accounts.services.pictures import change_picture, remove_picture
from config.api.profiles import Profile
from config.core.api import APIView, success
from config.core.errors import Forbidden
from config.core.limits import PICTURES, throttles
from config.people.profiles import profile_of


class AvatarView(APIView):
    permission_classes = [PersonOnly]
    parser_classes = [MultiPartParser]
    throttle_classes = throttles(PICTURES, "POST")

    @extend_schema(request={"multipart/form-data": PictureBody}, responses=Profile)
    def post(self, request: Request, user_id: str) -> Response:
        """Shows this picture of oneself from now on: its middle, upright, as WebP, without anything that the camera
        wrote into it. Of one that moves the first frame."""
        changed = change_picture(user_id=_oneself(request, user_id), picture=picture_in(request), now=timezone.now())
        return success(profile_of(changed, private=True), message="This is your picture now.")

    @extend_schema(responses=Profile)
    def delete(self, request: Request, user_id: str) -> Response:
        """Shows no picture of oneself any more."""
        changed = remove_picture(user_id=_oneself(request, user_id), now=timezone.now())
        return success(profile_of(changed, private=True), message="Your picture is removed.")


def _oneself(request: Request, user_id: str) -> UUID:
    """Nobody chooses a picture for somebody else, staff neither. Raises NotFound, Forbidden."""
    named = person_named(request, user_id)
    if named != caller(request).id:
        person(named)
        raise Forbidden("This belongs to somebody else.")
    return named
