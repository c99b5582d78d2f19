"""What the simulator's ledger says of its followers: the proof that nobody got a message twice."""

from qunfa.contract.fields import Stored


class FollowersView(Stored):
    """How many followers there are, how many received anything, and how many messages anyone received at most."""

    followers: int
    reached: int
    max_per_follower: int
    duplicates: tuple[object, ...] = ()

    @property
    def exactly_once(self) -> bool:
        """Whether every follower received one message."""
        return self.reached == self.followers and self.max_per_follower == 1 and not self.duplicates
