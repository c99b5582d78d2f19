"""What a message needs at its sources, each with its place in the request."""

from dataclasses import dataclass
from html import escape

from qunfa import article as html
from qunfa.article.problems import PICTURES_MAX
from qunfa.contract.material import NewsVia, Use
from qunfa.contract.message import (
    Article,
    ImageMessage,
    Media,
    MediaSource,
    MpnewsMessage,
    MpvideoMessage,
    SourcedMessage,
    VoiceMessage,
)


@dataclass(frozen=True, slots=True)
class Need:
    """One source: the file at `uri`, for `use`, as named at `place`."""

    place: str
    uri: str
    use: Use


def needs_of(message: SourcedMessage, news_via: NewsVia) -> tuple[Need, ...]:
    """All sources of a message, in the order of its fields; what WeChat holds already is none.

    Nor is what an article's own problems speak of: a picture whose URL leads nowhere, those that are too many, or all
    pictures of a content that cannot be read.
    """
    match message:
        case MpnewsMessage(articles=articles):
            cover: Use = "cover" if news_via == "draft" else "thumb"
            return tuple(
                need for number, article in enumerate(articles or ()) for need in _of_article(article, number, cover)
            )
        case ImageMessage(images=images):
            return tuple(
                need
                for number, image in enumerate(images)
                for need in _of_media(image, f"message.images[{number}]", "image")
            )
        case VoiceMessage(media=media):
            return _of_media(media, "message.media", "voice")
        case MpvideoMessage(media=media):
            return _of_media(media, "message.media", "video")


def content_place(number: int) -> str:
    """The place of an article's content, and of all pictures in it."""
    return f"message.articles[{number}].content"


def _of_article(article: Article, number: int, cover: Use) -> tuple[Need, ...]:
    place = content_place(number)
    return (
        *_of_media(article.thumb, f"message.articles[{number}].thumb", cover),
        *(Need(place, uri, "picture") for uri in _pictures(article.content)),
    )


def _pictures(content: str) -> tuple[str, ...]:
    try:
        found = html.pictures(html.cleaned(content).content)
    except html.ArticleError:
        return ()
    return tuple(uri for uri in found[:PICTURES_MAX] if not html.problems(f'<img src="{escape(uri)}">', ""))


def _of_media(media: Media, place: str, use: Use) -> tuple[Need, ...]:
    return (Need(place, media.uri, use),) if isinstance(media, MediaSource) else ()
