"""Articles as WeChat takes them: one form for `media/uploadnews`, another for `draft/add`. Everything here is pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

ARTICLES_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Article:
    """An article, with its fields in the order of WeChat's page; what is None is left out."""

    def __post_init__(self) -> None:
        for name in ("thumb_media_id", "title", "content"):
            if not getattr(self, name):
                raise ValueError(f"an article needs a {name}")

    def wire(self) -> dict[str, Any]:
        """WeChat's object. Flags are numbers there."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: int(value) if isinstance(value, bool) else value for name, value in fields.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsArticle(_Article):
    """An article for `media/uploadnews`; its `thumb_media_id` is that of a temporary thumb (`media/upload`).

    ValueError without title, content or thumb_media_id.
    """

    thumb_media_id: str
    author: str | None = None
    title: str
    content_source_url: str | None = None
    content: str
    digest: str | None = None
    show_cover_pic: bool | None = None
    need_open_comment: bool | None = None
    only_fans_can_comment: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftArticle(_Article):
    """An article for `draft/add`; its `thumb_media_id` is that of a permanent material (`material/add_material`).

    `pic_crop_235_1` and `pic_crop_1_1` cut the cover: `X1_Y1_X2_Y2`, each a share of the picture from 0 to 1.
    ValueError without title, content or thumb_media_id.
    """

    article_type: Literal["news"] = "news"
    title: str
    author: str | None = None
    digest: str | None = None
    content: str
    content_source_url: str | None = None
    thumb_media_id: str
    need_open_comment: bool | None = None
    only_fans_can_comment: bool | None = None
    pic_crop_235_1: str | None = None
    pic_crop_1_1: str | None = None


def articles_body(articles: Sequence[NewsArticle] | Sequence[DraftArticle]) -> dict[str, Any]:
    """The body of both endpoints.

    Raises:
        ValueError: not 1 to 8 articles.
    """
    if not 1 <= len(articles) <= ARTICLES_MAX:
        raise ValueError(f"a message has 1 to {ARTICLES_MAX} articles")
    return {"articles": [article.wire() for article in articles]}
