from prizes.models.awards import Award, AwardList, Distribution, PrizePlan
from prizes.models.ledger import Account, AccountKind, Entry, EntryKind, Posting
from prizes.models.payments import GatewayEvent, Payment, PaymentState, PayoutAccount
from prizes.models.sandbox import SandboxFault, SandboxOrder
from prizes.models.settlement import Settlement
from prizes.models.transfers import Purpose, Transfer, TransferMove, TransferState
from prizes.models.treasury import TreasuryAction

__all__ = [
    "Account",
    "AccountKind",
    "Award",
    "AwardList",
    "Distribution",
    "Entry",
    "EntryKind",
    "GatewayEvent",
    "Payment",
    "PaymentState",
    "PayoutAccount",
    "Posting",
    "PrizePlan",
    "Purpose",
    "SandboxFault",
    "SandboxOrder",
    "Settlement",
    "Transfer",
    "TransferMove",
    "TransferState",
    "TreasuryAction",
]
