"""What the simulated followers received: the proof that nobody got a message twice."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from qunfa.cli.message import bytes_words
from qunfa.cli.output import table
from qunfa.contract.fields import Stored
from qunfa.language import _


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


def received(seen: FollowersView, messages: Sequence[ContentView]) -> RenderableType:
    """What the simulated followers see of each send."""
    sent = zip(seen.jobs, messages, strict=True)
    rows = ((job.msg_id, content.msgtype, _seen(content), f"{job.received:,}") for job, content in sent)
    columns = ("msg_id", _("type"), _("what they see"), _("followers"))
    return table(columns, rows, "\n" + _("What the followers received"), wrapped=(_("what they see"),))


def followers(seen: FollowersView, messages: int) -> Text:
    """Whether every follower received each message once."""
    if seen.exactly_once(messages):
        said = _("{followers:,} followers, each received each of the {messages} messages exactly once.")
        return Text("\n" + said.format(followers=seen.followers, messages=messages), style="bold green")
    said = _(
        "Of {followers:,} followers {reached:,} received something, at most {most} messages each, {twice} sends arrived"
        " more than once."
    ).format(followers=seen.followers, reached=seen.reached, most=seen.max_per_follower, twice=len(seen.duplicates))
    return Text("\n" + said, style="bold red")


def _seen(content: ContentView) -> str:
    if content.text is not None:
        return content.text
    if not content.articles:
        return ", ".join([content.title, *(_file(media) for media in content.media)])
    return "; ".join(_article(article) for article in content.articles)


def _article(article: ArticleView) -> str:
    """Each picture once, and in how many places they stand."""
    distinct = {picture.url: _file(picture) for picture in article.pictures}
    lost = _(", {number} LOST").format(number=len(article.dropped)) if article.dropped else ""
    said = _("{title}, cover {cover}, {number} pictures in {places} places ({files})").format(
        title=article.title,
        cover=_file(article.thumb),
        number=len(distinct),
        places=len(article.pictures),
        files=", ".join(distinct.values()),
    )
    return said + lost


def _file(media: MediaView) -> str:
    return f"{media.file.format} {bytes_words(media.file.size)}"
