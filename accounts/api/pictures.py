"""People's pictures over HTTP: what is sent, and the files where they lie in a folder of ours."""

from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from accounts.pictures.opening import FIELD, MOST_BYTES, NotAPicture, PictureRefused, PictureTooLarge
from config.core.errors import NotFound

_HOW = f"Send the picture as multipart/form-data, in the field {FIELD}."


class PictureBody(serializers.Serializer[Any]):
    avatar = serializers.FileField(help_text="JPEG, PNG, WebP or GIF of 5 MB and 40 million pixels at most.")


def picture_in(request: Request | HttpRequest) -> UploadedFile[bytes]:
    """Raises NotAPicture for a body that is no form, PictureRefused for one without the field, PictureTooLarge."""
    try:
        picture: UploadedFile[bytes] | None = request.FILES.get(FIELD)
    except UnsupportedMediaType:
        raise NotAPicture(_HOW) from None
    if picture is None:
        raise PictureRefused(_HOW)
    if (picture.size or 0) > MOST_BYTES:
        raise PictureTooLarge
    return picture


def picture_view(request: HttpRequest, name: str) -> HttpResponse:
    """A file of `accounts.pictures.names`, to anybody who knows its name, for ever. Small, so it is read at once. In a
    bucket it has its own address, and none here. Raises NotFound."""
    store = storages["default"]
    if not isinstance(store, FileSystemStorage):
        raise NotFound
    try:
        with store.open(name) as file:
            data = file.read()
    except FileNotFoundError:
        raise NotFound from None
    headers = {
        "Cache-Control": settings.MEDIA_CACHE_CONTROL,
        "Cross-Origin-Resource-Policy": "cross-origin",  # web apps of other origins show it too
    }
    return HttpResponse(data, content_type="image/webp", headers=headers)
