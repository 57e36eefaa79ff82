from typing import Any

from rest_framework import serializers

from accounts.rules import country_codes, language_tag
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


class ResetBody(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)


class NewPasswordBody(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=1024, help_text="The end of the link in the mail.")
    password = serializers.CharField(max_length=128, trim_whitespace=False)


class PasswordBody(serializers.Serializer[Any]):
    current = serializers.CharField(max_length=128, trim_whitespace=False)
    password = serializers.CharField(max_length=128, trim_whitespace=False)


class VerifyBody(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=1024, help_text="The end of the link in the mail.")


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

    language = serializers.CharField(max_length=16, allow_blank=True, required=False)

    def validate_country(self, value: str) -> str:
        if value and value.upper() not in country_codes():
            raise serializers.ValidationError("Write a two-letter country code of ISO 3166, such as DE.")
        return value.upper()

    def validate_timezone(self, value: str) -> str:
        if value and value not in zone_names():
            raise serializers.ValidationError("Write an IANA time zone, such as Europe/Berlin.")
        return value

    def validate_language(self, value: str) -> str:
        tag = language_tag(value) if value else ""
        if tag is None:
            raise serializers.ValidationError("Write a language tag of BCP 47, such as de or pt-BR.")
        return tag
