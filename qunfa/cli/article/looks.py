"""The pictures of articles, as the workers read them, held against what the send has pinned."""

from collections.abc import Iterable
from typing import Any, Final, Literal

from temporalio.client import Client

from qunfa.article import is_data, is_wechats, missing, wanted
from qunfa.cli.article.asked import Asked
from qunfa.cli.article.told import Look
from qunfa.cli.message import uri_words
from qunfa.cli.workers import Question, answer_of, unique
from qunfa.contract.checks import ASKED_MAX, ShownPicture, ShowPicturesResult
from qunfa.contract.ids import SHOW_PICTURES, pictures_id
from qunfa.contract.message import Article, MediaSource
from qunfa.language import _

_URI_MAX: Final = 2_048


class Album:
    """All pictures of some articles, once they were read."""

    def __init__(self, asked: Asked, found: dict[str, ShownPicture]) -> None:
        self._found = found
        sources = asked.seen.sources if asked.seen else ()
        self._pinned = {source.uri: source.sha256 for source in sources}
        self._fitted = {source.uri for source in sources if source.fit}

    def cover(self, article: Article) -> tuple[str, Look]:
        """The `data:` URI of an article's cover, and what there is to say of it."""
        if not isinstance(article.thumb, MediaSource):
            held = Look(picture=article.thumb.media_id, use="cover", state="held")
            return missing(_("cover, which WeChat holds")), held
        return self._look(article.thumb.uri, "cover")

    def inside(self, article: Article) -> tuple[dict[str, str], list[Look]]:
        """The `data:` URIs of the pictures in an article's content, and what there is to say of them."""
        shown, looks = dict[str, str](), list[Look]()
        for url in wanted(article.content):
            if is_data(url):
                shown[url] = url
                continue
            shown[url], look = self._look(url, "picture")
            looks.append(look)
        return shown, looks

    def _look(self, uri: str, use: Literal["cover", "picture"]) -> tuple[str, Look]:
        named = uri_words(uri)
        if is_wechats(uri):
            return missing(_("{use} of WeChat's own").format(use=_(use))), Look(picture=named, use=use, state="held")
        found = self._found.get(uri, ShownPicture(problem=_("its address is too long.")))
        known: dict[str, Any] = {"sha256": found.sha256, "size": found.size or None, "smaller": found.smaller}
        known["fitted"] = uri in self._fitted
        if self._pinned.get(uri, found.sha256) != found.sha256 and found.sha256 is not None:
            return missing(_("{use} has changed").format(use=_(use))), Look(
                picture=named, use=use, state="changed", **known
            )
        if found.data is None:
            return missing(_("{use} could not be read").format(use=_(use))), Look(
                picture=named, use=use, state="unreadable", why=found.problem, **known
            )
        return f"data:image/{found.kind};base64,{found.data}", Look(picture=named, use=use, state="shown", **known)


async def read(client: Client, asked: Asked, queue: str) -> Album:
    """Have the workers read the pictures, a few with each question.

    Raises:
        Refused: No worker could.
        InvalidError: The account is not configured.
    """
    left = list(_sources(asked.articles))
    found: dict[str, ShownPicture] = {}
    while left:
        about = {"account": asked.account, "pictures": [{"uri": uri} for uri in left[:ASKED_MAX]]}
        question = Question(SHOW_PICTURES, pictures_id(asked.account, unique()), about, "Pictures for a preview")
        shown = (await answer_of(client, question, ShowPicturesResult, queue)).pictures
        found.update(zip(left, shown, strict=False))
        del left[: len(shown)]
    return Album(asked, found)


def _sources(articles: Iterable[Article]) -> Iterable[str]:
    """What has to be read: each once."""
    covers = [article.thumb.uri for article in articles if isinstance(article.thumb, MediaSource)]
    inside = [url for article in articles for url in wanted(article.content)]
    return dict.fromkeys(
        uri for uri in (*covers, *inside) if len(uri) <= _URI_MAX and not is_data(uri) and not is_wechats(uri)
    )
