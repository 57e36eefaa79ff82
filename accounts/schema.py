"""How callers prove who they are, for the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class CallerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular registers it so, without types
    target_class = "accounts.authentication.CallerAuthentication"
    name = ["bearer", "serviceKey"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Either of them where the view takes keys, a person's token elsewhere."""
        takes_keys = hasattr(auto_schema.view, "key_scope")
        return [{"bearer": []}, {"serviceKey": []}] if takes_keys else [{"bearer": []}]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        ]
