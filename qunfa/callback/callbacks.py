"""The accounts that are served, and how each of them is."""

from dataclasses import dataclass, field

from qunfa.callback.addresses import Sources
from qunfa.callback.gate import Gate
from qunfa.callback.used import UsedSignatures
from qunfa.settings import CallbackSettings, Settings


@dataclass(frozen=True)
class Callback:
    """One account's callback. Without a gate WeChat does not push to us; without a token nobody hands events over."""

    appid: str
    original_id: str | None
    gate: Gate | None
    sources: Sources | None
    forward_to: str | None
    forward_results: bool
    events_token: str | None = field(repr=False)


def callbacks_of(settings: Settings, used: UsedSignatures) -> dict[str, Callback]:
    """The accounts that have a `[callback]`, by name.

    Raises:
        SourcesError: A list of addresses cannot be used.
    """
    return {
        name: _callback(account.appid, account.callback, settings, used)
        for name, account in settings.accounts.items()
        if account.callback is not None
    }


def _callback(appid: str, callback: CallbackSettings, settings: Settings, used: UsedSignatures) -> Callback:
    limited = callback.sources or callback.sources_file
    return Callback(
        appid=appid,
        original_id=callback.original_id,
        gate=Gate(appid, callback, settings.receiver.replay_window, used) if callback.tokens else None,
        sources=Sources(callback.sources, callback.sources_file) if limited else None,
        forward_to=callback.forward_to,
        forward_results=callback.forward_results,
        events_token=callback.events_token.get_secret_value() if callback.events_token else None,
    )
