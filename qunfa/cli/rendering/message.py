"""What a message says and is made of, in words."""

from collections.abc import Iterator
from typing import Final, assert_never
from urllib.parse import unquote

from qunfa.article import ArticleError, name_of, pictures
from qunfa.cli.sources import local_file, local_size
from qunfa.contract.message import (
    Article,
    ImageMessage,
    Media,
    MediaUploaded,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    TextMessage,
    VoiceMessage,
    WxcardMessage,
)
from qunfa.contract.request import PreviewMessage, WxcardPreview

_EXCERPT: Final = 200
_STEP: Final = 1024


def heading(message: Message | PreviewMessage) -> str:
    """The kind of a message, with its titles, in a few words."""
    match message:
        case TextMessage():
            return "Text"
        case MpnewsMessage(articles=None, media_id=media_id):
            return f"Draft {media_id}"
        case MpnewsMessage(articles=articles):
            titles = [f'"{article.title}"' for article in articles or ()]
            return f"Article {titles[0]}" if len(titles) == 1 else f"{len(titles)} articles: {', '.join(titles)}"
        case ImageMessage(images=images):
            return _count(len(images), "picture")
        case VoiceMessage():
            return "Voice"
        case MpvideoMessage(title=title):
            return f'Video "{title}"'
        case WxcardMessage() | WxcardPreview():
            return f"Card {message.card_id}"
        case _:
            assert_never(message)


def contents(message: Message | PreviewMessage) -> Iterator[str]:
    """What the message is made of: its words, and each file with its size, where the file is one of this machine."""
    match message:
        case TextMessage(content=content):
            yield excerpt(content)
        case MpnewsMessage(articles=articles):
            for article in articles or ():
                yield from _article(article)
        case ImageMessage(images=images, recommend=recommend):
            if recommend:
                yield f"recommended with: {excerpt(recommend)}"
            for image in images:
                yield f"picture {_file(image)}"
        case VoiceMessage(media=media):
            yield f"recording {_file(media)}"
        case MpvideoMessage(media=media, description=description):
            if description:
                yield f"described as: {excerpt(description)}"
            yield f"video {_file(media)}"


def excerpt(text: str) -> str:
    """The beginning of a text."""
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def bytes_words(size: int) -> str:
    """A size as WeChat counts: 1 KB has 1,024 bytes."""
    if size < _STEP:
        return f"{size} bytes"
    if size < _STEP * _STEP:
        return f"{size / _STEP:.1f} KB"
    return f"{size / _STEP / _STEP:.1f} MB"


def uri_words(uri: str) -> str:
    """A URI as it may be shown: a file by its path, anything else without its query."""
    path = local_file(uri)
    return str(path) if path else unquote(name_of(uri))


def _article(article: Article) -> Iterator[str]:
    by = f" by {article.author}" if article.author else ""
    if article.digest:
        yield f"abstract: {excerpt(article.digest)}"
    try:
        found = pictures(article.content)
    except ArticleError as error:
        yield f'article "{article.title}"{by}: its content {error}'
        return
    yield f'article "{article.title}"{by}: {len(article.content):,} characters, {_count(len(found), "picture")}'
    yield f"cover {_file(article.thumb)}"
    for picture in found:
        yield f"picture {_described(picture)}"


def _file(media: Media) -> str:
    return (
        f"media_id {media.media_id}, which WeChat holds" if isinstance(media, MediaUploaded) else _described(media.uri)
    )


def _described(uri: str) -> str:
    size = local_size(uri)
    return uri_words(uri) if size is None else f"{uri_words(uri)} ({bytes_words(size)})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
