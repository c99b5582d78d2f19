"""An Official Account while the simulator runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qunfa.simulator.clientmsgids import ClientMsgIds
from qunfa.simulator.clock import Clock
from qunfa.simulator.config import AccountConfig, SimulatorConfig
from qunfa.simulator.followers import Span, follower_number, openid
from qunfa.simulator.materials import Library
from qunfa.simulator.quotas import DailyCalls, RateWindow
from qunfa.simulator.tokens import TokenStore


@dataclass(eq=False)
class Account:
    """The configuration of an account together with its tokens, counters, clientmsgids and materials."""

    name: str
    config: AccountConfig
    tokens: TokenStore
    calls: DailyCalls
    mass_rate: RateWindow
    stable_token_rate: RateWindow
    clientmsgids: ClientMsgIds
    library: Library
    speed: int = 0

    @classmethod
    def create(cls, name: str, simulator: SimulatorConfig, clock: Clock) -> Account:
        """The account of that name in the configuration, with nothing used yet."""
        config, timing = simulator.accounts[name], simulator.timing
        minute = clock.span(timing.rate_window)
        return cls(
            name=name,
            config=config,
            tokens=TokenStore(simulator.tokens),
            calls=DailyCalls(config),
            mass_rate=RateWindow(config.limits.mass_per_minute, minute),
            stable_token_rate=RateWindow(config.limits.stable_tokens_per_minute, minute),
            clientmsgids=ClientMsgIds(
                window=clock.span(timing.duplicate_window),
                too_fast=clock.span(timing.too_fast),
                failed_jobs_keep=config.failed_jobs_keep_clientmsgid,
            ),
            library=Library(clock.span(timing.media_lifetime)),
        )

    def everybody(self) -> Span:
        """All followers."""
        return Span(0, self.config.followers)

    def tagged(self, tag_id: int) -> Span | None:
        """The followers with a tag, or None if there is no such tag."""
        for tag in self.config.tags:
            if tag.id == tag_id:
                return Span(tag.first, tag.first + tag.count)
        return None

    def number_of(self, text: str) -> int | None:
        """Which follower has that openid, or None."""
        n = follower_number(self.config.appid, text)
        return n if n is not None and n < self.config.followers else None

    def openids(self, numbers: Iterable[int]) -> list[str]:
        """The openids of followers."""
        return [openid(self.config.appid, n) for n in numbers]
