from typing import Any

from rest_framework import serializers

from accounts.rules import country_codes
from config.core.api import plain_text
from config.core.clock import zone_names


class RegisterBody(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=128, trim_whitespace=False)
    name = serializers.CharField(max_length=80, validators=[plain_text])


class LogInBody(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=128, trim_whitespace=False)


class RefreshBody(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class TokenPair(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds that the access token is good for.")


class ProfileChanges(serializers.Serializer[Any]):
    """What people may change about themselves; anything else in the body is ignored."""

    name = serializers.CharField(max_length=80, validators=[plain_text])
    bio = serializers.CharField(max_length=500, allow_blank=True, required=False)
    country = serializers.CharField(max_length=2, allow_blank=True, required=False)
    timezone = serializers.CharField(max_length=64, allow_blank=True, required=False)

    def validate_country(self, value: str) -> str:
        if value and value.upper() not in country_codes():
            raise serializers.ValidationError("Write a two-letter country code of ISO 3166, such as DE.")
        return value.upper()

    def validate_timezone(self, value: str) -> str:
        if value and value not in zone_names():
            raise serializers.ValidationError("Write an IANA time zone, such as Europe/Berlin.")
        return value
