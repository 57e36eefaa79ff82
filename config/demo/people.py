"""Who walks in the demo. Plain data, so that the walkers can read it without Django."""

from dataclasses import dataclass

from accounts.rules import DEMO_DOMAIN

PASSWORD = "walk-every-day"  # noqa: S105 - public on purpose; the demo refuses to run without DEBUG
ADMIN_EMAIL = f"organiser{DEMO_DOMAIN}"
COMPETITION_NAME = "Walk around the lake"


@dataclass(frozen=True)
class Walker:
    name: str
    country: str
    timezone: str
    steps_a_minute: int

    @property
    def email(self) -> str:
        return f"{self.name.split()[0].lower()}{DEMO_DOMAIN}"


WALKERS = [
    Walker("Amara Okafor", "NG", "Africa/Lagos", 118),
    Walker("Bjarne Holm", "DK", "Europe/Copenhagen", 104),
    Walker("Chiara Ricci", "IT", "Europe/Rome", 121),
    Walker("Daniel Reyes", "MX", "America/Mexico_City", 97),
    Walker("Emi Tanaka", "JP", "Asia/Tokyo", 125),
    Walker("Farid Haddad", "MA", "Africa/Casablanca", 110),
    Walker("Greta Lindqvist", "SE", "Europe/Stockholm", 101),
    Walker("Hana Novak", "CZ", "Europe/Prague", 115),
    Walker("Isaac Mensah", "GH", "Africa/Accra", 108),
    Walker("Jun Park", "KR", "Asia/Seoul", 128),
    Walker("Kavya Nair", "IN", "Asia/Kolkata", 112),
    Walker("Liam Walsh", "IE", "Europe/Dublin", 99),
]
