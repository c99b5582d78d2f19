"""The pictures of an article: which there are, other URLs for them, and which of them WeChat lost."""

from collections.abc import Mapping

from qunfa.article import slots
from qunfa.article.document import Document
from qunfa.article.urls import is_wechats, parts


def pictures(content: str) -> tuple[str, ...]:
    """The URLs that have to be uploaded: each once, in the order of first use, without those that WeChat keeps.

    They are read from `img` (`src`, `data-src`), SVG's `image`, `poster`, `background` and every `url(…)` in a `style`
    attribute, and normalised: entities decoded, `https:` before `//`, blanks around them removed, blanks and Chinese in
    them percent-encoded. A picture in the text itself (`data:`) is listed as the URI that it is; `data_of` gives its
    bytes, `name_of` a short name.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    return tuple(dict.fromkeys(url for url in slots.found(Document(content)) if not is_wechats(url)))


def replaced(content: str, urls: Mapping[str, str]) -> str:
    """The content with other URLs for its pictures, each wherever and however it is written.

    The keys are those that `pictures` gave. Content in which nothing changes comes back as it was.

    Raises:
        ArticleError: The content is too long or nested too deeply.
    """
    document = Document(content)
    return str(document) if slots.replace(document, urls.get) else content


def lost(content: str, stored: str) -> tuple[str, ...]:
    """The pictures of `content` that are missing in what `draft/get` returned, each once, as `content` has them.

    WeChat may return another scheme, host, size or query, and `data-src` for `src`: a picture is known by the middle of
    its path. Pictures that are not WeChat's are lost in any case.

    Raises:
        ArticleError: One of the two is too long or nested too deeply.
    """
    kept = {_identity(url) for url in slots.found(Document(stored)) if is_wechats(url)}
    wanted = dict.fromkeys(slots.found(Document(content)))
    return tuple(url for url in wanted if not is_wechats(url) or _identity(url) not in kept)


def _identity(url: str) -> tuple[str, ...]:
    """What stays the same: the path, without the folder (`mmbiz_png`) and the size (`0`, `640`) around it."""
    split = parts(url)
    segments = [segment for segment in (split.path if split else "").split("/") if segment]
    if len(segments) > 1 and segments[-1].isdigit():
        del segments[-1]
    if len(segments) > 1 and segments[0].startswith("mmbiz"):
        del segments[0]
    return tuple(segments)
