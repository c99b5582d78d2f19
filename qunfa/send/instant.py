"""Effects that take no time: what each comes to at once."""

from collections.abc import Callable

from qunfa.send import events, steps
from qunfa.send.state import SendState


def at_once(effect: steps.Effect | None, state: SendState, new_id: Callable[[], str]) -> events.Event | None:
    """The event of such an effect; ``None`` for one that takes time. ``new_id`` names a wish."""
    match effect:
        case steps.Wish(purpose, turn, whose):
            return events.Wishing(new_id(), purpose, turn, whose)
        case steps.Put(problem, generation):
            return events.WasPut(problem, generation)
        case steps.Renew(generation, opens):
            return events.Renewed(generation, opens)
        case steps.Rebuild():
            return events.Rebuilding()
        case steps.GiveBack(lease):
            return events.GivenBack(lease)
        case steps.Drop(update):
            return events.Dropped(update)
        case steps.Submit(lease) if state.trying is None:
            return events.Began(lease)
        case _:
            return None
