"""The payment gateways, by name."""

from functools import cache

from django.conf import settings

from config.core.circuit import CircuitState
from config.core.outgoing import breaker
from prizes.gateways.base import Gateway


@cache
def gateway(name: str) -> Gateway:
    """The gateway of that name; money that went through one goes back through the same, whatever is configured now."""
    match name:
        case "sandbox":
            from prizes.gateways.sandbox import SandboxGateway

            return SandboxGateway()
        case "stripe":
            from prizes.gateways.stripe import StripeGateway

            return StripeGateway(
                secret_key=settings.STRIPE_SECRET_KEY,
                webhook_secrets=settings.STRIPE_WEBHOOK_SECRETS,
                base_url=settings.STRIPE_URL,
            )
        case "manual":
            from prizes.gateways.manual import ManualGateway

            return ManualGateway()
    raise KeyError(name)


def circuits() -> dict[str, CircuitState]:
    return {"stripe": breaker("stripe").state()} if "stripe" in settings.GATEWAYS else {}
