"""Who works in the seeded demo: one of each role, and a second treasurer."""

from dataclasses import dataclass

from django.contrib.auth.models import Group

from accounts.models import User
from accounts.rules import DEMO_DOMAIN
from config.demo.people import ADMIN_EMAIL, PASSWORD


@dataclass(frozen=True)
class Member:
    """``role``: the name of its group; empty for none."""

    name: str
    email: str
    role: str = ""

    @property
    def says(self) -> str:
        return self.role or "staff without a role"


ORGANISER = Member("Olu Adeyemi", f"olu{DEMO_DOMAIN}", "organiser")
REVIEWER = Member("Rita Marek", f"rita{DEMO_DOMAIN}", "reviewer")
TREASURER = Member("Tess Moreau", f"tess{DEMO_DOMAIN}", "treasurer")
SECOND_TREASURER = Member("Theo Brandt", f"theo{DEMO_DOMAIN}", "treasurer")
SUPPORT = Member("Suna Ito", f"suna{DEMO_DOMAIN}", "support")
NEWCOMER = Member("Nils Berg", f"nils{DEMO_DOMAIN}")
MEMBERS = (ORGANISER, REVIEWER, TREASURER, SECOND_TREASURER, SUPPORT, NEWCOMER)


@dataclass(frozen=True)
class Staff:
    admin: User
    organiser: User
    reviewer: User
    treasurer: User
    second_treasurer: User
    support: User


def make_staff() -> Staff:
    """The members of staff with their roles, and the superuser of the small demo, if that has not made them."""
    admin = User.objects.filter(email=ADMIN_EMAIL).first()
    admin = admin or User.objects.create_superuser(ADMIN_EMAIL, PASSWORD, name="Organiser")
    made = {member: _make(member) for member in MEMBERS}
    return Staff(admin, made[ORGANISER], made[REVIEWER], made[TREASURER], made[SECOND_TREASURER], made[SUPPORT])


def _make(member: Member) -> User:
    person = User(email=member.email, name=member.name, is_staff=True)
    person.set_password(PASSWORD)
    person.save(force_insert=True)
    person.groups.set(Group.objects.filter(name=member.role))
    return User.objects.get(id=person.id)  # with the permissions of its role
