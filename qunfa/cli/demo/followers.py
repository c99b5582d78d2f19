"""What the simulator's ledger says of its followers: the proof that nobody got a message twice."""

from qunfa.contract.fields import Stored


class Delivery(Stored):
    """One send, and how many followers received it."""

    msg_id: int
    received: int


class FollowersView(Stored):
    """How many followers there are, how many received anything, and how many messages anyone received at most.

    `jobs` are the sends; `duplicates` are the messages that some follower received more than once.
    """

    followers: int
    reached: int
    max_per_follower: int
    duplicates: tuple[object, ...] = ()
    jobs: tuple[Delivery, ...] = ()

    def exactly_once(self, messages: int) -> bool:
        """Whether every follower received each of so many messages, and none of them twice."""
        everyone = self.reached == self.followers and all(job.received == self.followers for job in self.jobs)
        return everyone and len(self.jobs) == self.max_per_follower == messages and not self.duplicates


class FileView(Stored):
    """A file that WeChat holds. `size` in bytes."""

    format: str
    size: int


class MediaView(Stored):
    """A picture of an article, a cover, or a video; `url` is a picture's."""

    file: FileView
    url: str | None = None


class ArticleView(Stored):
    """An article as followers read it.

    `pictures` has one for each place where one stands; `dropped` are those that WeChat left out.
    """

    title: str
    content: str
    thumb: MediaView
    pictures: tuple[MediaView, ...] = ()
    dropped: tuple[str, ...] = ()


class ContentView(Stored):
    """A message as followers see it."""

    msgtype: str
    text: str | None = None
    title: str = ""
    articles: tuple[ArticleView, ...] = ()
    media: tuple[MediaView, ...] = ()
