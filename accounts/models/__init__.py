from accounts.models.exports import Export, ExportState
from accounts.models.keys import Scope, ServiceKey
from accounts.models.notifications import (
    Delivery,
    DeliveryState,
    Device,
    Notification,
    NotificationPreference,
    NotificationSettings,
    Phone,
    Suppression,
)
from accounts.models.people import IdentityProvider, User, UserManager
from accounts.models.roles import Authenticator, PermissionGiven, RecoveryCodes, Role, RoleGiven, RolePermission

__all__ = [
    "Authenticator",
    "Delivery",
    "DeliveryState",
    "Device",
    "Export",
    "ExportState",
    "IdentityProvider",
    "Notification",
    "NotificationPreference",
    "NotificationSettings",
    "PermissionGiven",
    "Phone",
    "RecoveryCodes",
    "Role",
    "RoleGiven",
    "RolePermission",
    "Scope",
    "ServiceKey",
    "Suppression",
    "User",
    "UserManager",
]
