"""What `qunfa article preview` tells: the page that it wrote, and what there is to say of each article."""

from collections.abc import Iterator
from typing import Final, Literal

from rich.console import Group, RenderableType
from rich.text import Text

from qunfa.cli.message import bytes_words
from qunfa.cli.output import unbroken
from qunfa.cli.tables import facts
from qunfa.contract.fields import Stored
from qunfa.language import N_, _
from qunfa.language.phrases import told

SHORT: Final = 16
"""Hex digits of a digest that people compare."""
_USES: Final = {"cover": N_("Cover"), "picture": N_("Picture")}


class Look(Stored):
    """One picture of an article. `sha256` and `size` (bytes) are those of the file as it is now.

    `changed`: it is another file than the send has pinned. `unreadable`: the workers could not read it, and `why` says
    why not. `held`: WeChat has it already, and it is not fetched. Only one that is `shown` stands on the page.
    `smaller`: it is shown smaller than it is. `fitted`: Qunfa re-encodes it for WeChat, as `fit_images` allows.
    """

    picture: str
    use: Literal["cover", "picture"]
    state: Literal["shown", "changed", "unreadable", "held"]
    sha256: str | None = None
    size: int | None = None
    smaller: bool = False
    fitted: bool = False
    why: str | None = None

    @property
    def said(self) -> str:
        """All of it in a sentence."""
        named = f"{_(_USES[self.use])} {self.picture}"
        match self.state:
            case "held":
                return _("{picture} is WeChat's own, and was not fetched.").format(picture=named)
            case "unreadable":
                return _("{picture} could not be read: {why}").format(picture=named, why=told(self.why or ""))
            case "changed":
                changed = _("{picture} is another file now than the send has pinned, so it is not shown.")
                return changed.format(picture=named)
        more = (_(", shown smaller") if self.smaller else "") + (_(", re-encoded for WeChat") if self.fitted else "")
        size, digest = bytes_words(self.size or 0), (self.sha256 or "")[:SHORT]
        shown = _("{picture}: {size}, SHA-256 {digest}{more}.")
        return shown.format(picture=named, size=size, digest=digest, more=more)


class ArticleLook(Stored):
    """An article on the page. `removed`: what was taken out. `links`: their texts, and where they lead.

    `boxes`: what WeChat alone can show, such as a video.
    """

    title: str
    removed: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    boxes: tuple[str, ...] = ()
    pictures: tuple[Look, ...] = ()


class ArticlePreview(Stored):
    """What was written: the `page`, and the `pictures` of it. `wrong`: what is not there as it would be sent.

    `digest` is of all that the send sends to whom; `None` where no send has looked at its sources.
    """

    account: str
    key: str
    page: str = ""
    pictures: tuple[str, ...] = ()
    digest: str | None = None
    articles: tuple[ArticleLook, ...] = ()
    wrong: tuple[str, ...] = ()


def render(found: ArticlePreview) -> RenderableType:
    """The files, what was taken out of the articles, and what is wrong."""
    wrong = [Text.assemble((line, "bold red")) for line in found.wrong]
    return Group(unbroken(found.page), *map(unbroken, found.pictures), facts(_rows(found)), *wrong)


def _rows(found: ArticlePreview) -> Iterator[tuple[str, str]]:
    if found.digest:
        yield _("digest of all this"), found.digest[:SHORT]
    for number, article in enumerate(found.articles, start=1):
        yield _("article {number}").format(number=number), article.title
        for removed in article.removed:
            yield _("taken out"), removed
        for words, url in article.links:
            yield _("link"), f"{words}: {url}" if words else url
        for box in article.boxes:
            yield _("only in WeChat"), box
        for number_of, look in enumerate(look for look in article.pictures if look.state in {"shown", "held"}):
            yield "" if number_of else _("pictures"), look.said
