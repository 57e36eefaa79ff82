from accounts.models.keys import Scope, ServiceKey
from accounts.models.people import IdentityProvider, User, UserManager
from accounts.models.roles import Authenticator, PermissionGiven, RecoveryCodes, Role, RoleGiven, RolePermission

__all__ = [
    "Authenticator",
    "IdentityProvider",
    "PermissionGiven",
    "RecoveryCodes",
    "Role",
    "RoleGiven",
    "RolePermission",
    "Scope",
    "ServiceKey",
    "User",
    "UserManager",
]
