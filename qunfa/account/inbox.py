"""The account's inbox: one message after the other is applied to its state.

    state = take(state, message, now)     # each message of a slice of some hundred
    state = settle(state, now)            # once for the slice
    outgoing(state, now)                  # and what is to be said

A wish, a report and a push do no harm when they come twice, late or in another order, whoever sent them.
"""

from datetime import datetime

from qunfa.account.leases import expired
from qunfa.account.reports import told
from qunfa.account.routing import pushed
from qunfa.account.state import AccountState
from qunfa.account.wishes import wished
from qunfa.contract.grants import Report, Wish
from qunfa.contract.result import JobFinished
from qunfa.rules.bounds import cut

Message = Wish | Report | JobFinished


def take(state: AccountState, message: Message, now: datetime) -> AccountState:
    """The state after one message. Total: nothing that is sent raises here."""
    state = expired(state, now)
    match message:
        case Wish():
            return wished(state, cut(message), now)
        case Report():
            return told(state, cut(message), now)
        case JobFinished():
            return pushed(state, cut(message), now)
