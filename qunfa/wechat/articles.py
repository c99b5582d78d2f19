"""Articles as WeChat takes them: one form for `media/uploadnews`, another for `draft/add`. Everything here is pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

ARTICLES_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsArticle:
    """An article for `media/uploadnews`; its `thumb_media_id` is that of a temporary thumb (`media/upload`).

    What is None is left out. ValueError without title, content or thumb_media_id.
    """

    thumb_media_id: str
    title: str
    content: str
    author: str | None = None
    content_source_url: str | None = None
    digest: str | None = None
    show_cover_pic: bool | None = None
    need_open_comment: bool | None = None
    only_fans_can_comment: bool | None = None

    def __post_init__(self) -> None:
        _require(thumb_media_id=self.thumb_media_id, title=self.title, content=self.content)

    def wire(self) -> dict[str, Any]:
        """WeChat's object, with its fields in the order of WeChat's page."""
        return _set(
            {
                "thumb_media_id": self.thumb_media_id,
                "author": self.author,
                "title": self.title,
                "content_source_url": self.content_source_url,
                "content": self.content,
                "digest": self.digest,
                "show_cover_pic": self.show_cover_pic,
                "need_open_comment": self.need_open_comment,
                "only_fans_can_comment": self.only_fans_can_comment,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftArticle:
    """An article for `draft/add`; its `thumb_media_id` is that of a permanent material (`material/add_material`).

    `pic_crop_235_1` and `pic_crop_1_1` cut the cover: `X1_Y1_X2_Y2`, each a share of the picture from 0 to 1. What is
    None is left out. ValueError without title, content or thumb_media_id.
    """

    thumb_media_id: str
    title: str
    content: str
    author: str | None = None
    digest: str | None = None
    content_source_url: str | None = None
    need_open_comment: bool | None = None
    only_fans_can_comment: bool | None = None
    pic_crop_235_1: str | None = None
    pic_crop_1_1: str | None = None

    def __post_init__(self) -> None:
        _require(thumb_media_id=self.thumb_media_id, title=self.title, content=self.content)

    def wire(self) -> dict[str, Any]:
        """WeChat's object, with its fields in the order of WeChat's page."""
        return _set(
            {
                "article_type": "news",
                "title": self.title,
                "author": self.author,
                "digest": self.digest,
                "content": self.content,
                "content_source_url": self.content_source_url,
                "thumb_media_id": self.thumb_media_id,
                "need_open_comment": self.need_open_comment,
                "only_fans_can_comment": self.only_fans_can_comment,
                "pic_crop_235_1": self.pic_crop_235_1,
                "pic_crop_1_1": self.pic_crop_1_1,
            }
        )


def articles_body(articles: Sequence[NewsArticle] | Sequence[DraftArticle]) -> dict[str, Any]:
    """The body of both endpoints.

    Raises:
        ValueError: not 1 to 8 articles.
    """
    if not 1 <= len(articles) <= ARTICLES_MAX:
        raise ValueError(f"a message has 1 to {ARTICLES_MAX} articles")
    return {"articles": [article.wire() for article in articles]}


def _require(**fields: str) -> None:
    for name, value in fields.items():
        if not value:
            raise ValueError(f"an article needs a {name}")


def _set(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is not None; flags are numbers on the wire."""
    return {
        name: int(value) if isinstance(value, bool) else value for name, value in fields.items() if value is not None
    }
