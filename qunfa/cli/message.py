"""The message of a request: made from options, and told in words; and in words what was asked for as a whole."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, assert_never
from urllib.parse import unquote

from pydantic import BaseModel, Field

from qunfa.cli.errors import WrongUse
from qunfa.cli.typed import MessageOptions
from qunfa.contract import MassSendRequest
from qunfa.contract import message as contract
from qunfa.contract.audience import describe
from qunfa.contract.fields import Stored
from qunfa.contract.request import PreviewMessage, WxcardPreview, look_at
from qunfa.language import _, several
from qunfa.language.phrases import told, told_whole

_KINDS: Final = ("text", "html", "image", "video", "voice")
_BELONG: Final = {
    "title": ("html", "video"),
    "thumb": ("html",),
    "author": ("html",),
    "digest": ("html",),
    "source_url": ("html",),
    "recommend": ("image",),
    "description": ("video",),
}
_NEED: Final = {"html": ("title", "thumb"), "video": ("title",)}


def message_of(options: MessageOptions) -> dict[str, Any] | None:
    """The message as a request has it; `None` where no option speaks of one."""
    given = {name: value for name, value in options._asdict().items() if value is not None and value != []}
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) > 1:
        raise WrongUse(_("{names} exclude each other: a send has one message.").format(names=_names(kinds)))
    for name, owners in _BELONG.items():
        if name in given and not set(owners) & set(kinds):
            said = _("{name} belongs to {names}: give that option too.")
            raise WrongUse(said.format(name=_name(name), names=_names(owners, _("or"))))
    if not kinds:
        return None
    [kind] = kinds
    missing = [name for name in _NEED.get(kind, ()) if name not in given]
    if missing:
        raise WrongUse(_("{name} needs {names} as well.").format(name=_name(kind), names=_names(missing)))
    return _built(kind, given)


def _built(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "html":
            return {"msgtype": "mpnews", "articles": [_article_of(given)]}
        case "image":
            images = [media_named("--image", named) for named in given["image"]]
            return {"msgtype": "image", "images": images, **_also(given, recommend="recommend")}
        case "video":
            media = media_named("--video", given["video"])
            return {"msgtype": "mpvideo", "media": media, **_also(given, title="title", description="description")}
        case "voice":
            return {"msgtype": "voice", "media": media_named("--voice", given["voice"])}
        case _:
            return {"msgtype": "text", "content": given["text"]}


def _article_of(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "content": article_content("--html", given["html"]),
        "thumb": media_named("--thumb", given["thumb"]),
        **_also(given, title="title", author="author", digest="digest", content_source_url="source_url"),
    }


def _also(given: dict[str, Any], **fields: str) -> dict[str, Any]:
    return {field: given[name] for field, name in fields.items() if name in given}


def _name(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _names(options: Sequence[str], word: str | None = None) -> str:
    return f" {word or _('and')} ".join(_name(option) for option in options)


_URI: Final = re.compile(r"(?:file|https?|s3):", re.IGNORECASE)
_HELD: Final = "media_id:"


def media_named(option: str, named: str) -> dict[str, str]:
    """The material that `option` names: a URI, or an id of WeChat's."""
    if named.startswith(_HELD):
        return {"media_id": named.removeprefix(_HELD)}
    return {"uri": source_named(option, named)}


def source_named(option: str, named: str) -> str:
    """The URI of a source that `option` names by a URI, or by a path of this machine."""
    if _URI.match(named):
        return named
    path = Path(named).absolute()
    _demand(option, path, named)
    return path.as_uri()


def article_content(option: str, named: str) -> str:
    """The inside of the body of an HTML file, with `file:` URIs for the pictures beside it."""
    from qunfa.article import ArticleError, decoded, local_pictures, pictures  # noqa: PLC0415 - slow, and seldom needed

    path = Path(named).absolute()
    _demand(option, path, named)
    try:
        written = decoded(path.read_bytes())
        content = local_pictures(written, path.parent)
        beside = set(pictures(content)) - set(pictures(written))
    except OSError as error:
        said = _("{option} {named}: it cannot be read: {strerror}.")
        raise WrongUse(said.format(option=option, named=named, strerror=error.strerror)) from None
    except ArticleError as error:
        raise WrongUse(_("{option} {named}: it {error}.").format(option=option, named=named, error=error)) from None
    for picture in sorted(beside):
        if (file := local_file(picture)) is not None:
            _demand(option, file, _("{named}: its picture {file}").format(named=named, file=file))
    return content


def local_file(uri: str) -> Path | None:
    """The path that a `file:` URI names on this machine; `None` for any other URI."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "file":
        return None
    return Path(unquote(rest.removeprefix("//").partition("?")[0]))


def names_files(message: BaseModel) -> bool:
    """Whether a message names files: the same name may stand for other bytes later."""
    return "file:" in message.model_dump_json()


def _demand(option: str, path: Path, named: str) -> None:
    try:
        if path.is_file():
            return
        what = _("it is no regular file") if path.exists() else _("there is no such file here")
    except (OSError, ValueError) as error:
        what = _("it cannot be looked at ({error})").format(error=error)
    raise WrongUse(_("{option} {named}: {what}.").format(option=option, named=named, what=what))


_EXCERPT: Final = 200
_BEGINNING: Final = 40
_TITLES: Final = 80
_STEP: Final = 1024


def heading(message: contract.Message | PreviewMessage) -> str:
    """The kind of a message, with its titles, in a few words."""
    match message:
        case contract.TextMessage():
            return "Text"
        case contract.MpnewsMessage(articles=None, media_id=media_id):
            return f"Draft {media_id}"
        case contract.MpnewsMessage(articles=articles):
            titles = [f'"{article.title}"' for article in articles or ()]
            return f"Article {titles[0]}" if len(titles) == 1 else f"{len(titles)} articles: {', '.join(titles)}"
        case contract.ImageMessage(images=images):
            return f"{len(images)} picture{'' if len(images) == 1 else 's'}"
        case contract.VoiceMessage():
            return "Voice"
        case contract.MpvideoMessage(title=title):
            return f'Video "{title}"'
        case contract.WxcardMessage() | WxcardPreview():
            return f"Card {message.card_id}"
        case _:
            assert_never(message)


def beginning(message: contract.Message | PreviewMessage) -> str:
    """The same, with the beginning of its words where it has no title: enough to know it again."""
    match message:
        case contract.TextMessage(content=words) | contract.ImageMessage(recommend=str(words)):
            said = " ".join(words.split())
            return f'{heading(message)} "{said if len(said) <= _BEGINNING else said[: _BEGINNING - 1] + "…"}"'
        case _:
            titles = " ".join(heading(message).split())
            return titles if len(titles) <= _TITLES else f"{titles[: _TITLES - 1]}…"


class RequestView(Stored):
    """What was asked for, in words: what goes to whom, who asked, and for when.

    `send_at` knows of no `reschedule`. `look_at`: the command that shows its articles, where Qunfa knows what they say.
    """

    message: str
    messages: tuple[str, ...] = Field(default=(), exclude=True)
    audience: str
    requested_by: str | None = None
    send_at: datetime | None = None
    look_at: str | None = None


def in_words(request: MassSendRequest) -> RequestView:
    """What goes to whom, who asked, and for when."""
    messages = (version.message for version in request.versions)
    begun = tuple(map(beginning, messages))
    return RequestView(
        message=" / ".join(begun),
        messages=begun,
        audience=describe(request.audience),
        requested_by=request.requested_by,
        send_at=request.send_at,
        look_at=look_at(request),
    )


def told_message(request: RequestView) -> str:
    """Its message, or each of the two of a split test."""
    return " / ".join(map(told_whole, request.messages or (request.message,)))


def request_cells(request: RequestView | None) -> tuple[str | None, str | None, str | None]:
    """What goes to whom, and who asked, for a table."""
    return (told_message(request), told(request.audience), request.requested_by) if request else (None,) * 3


def contents(message: contract.Message | PreviewMessage) -> Iterator[str]:
    """What the message is made of: its words, and each file with its size, where the file is one of this machine."""
    match message:
        case contract.TextMessage(content=content):
            yield excerpt(content)
        case contract.MpnewsMessage(articles=articles):
            for article in articles or ():
                yield from _article_lines(article)
        case contract.ImageMessage(images=images, recommend=recommend):
            if recommend:
                yield _("recommended with: {excerpt}").format(excerpt=excerpt(recommend))
            for image in images:
                yield _("picture {file}").format(file=_file(image))
        case contract.VoiceMessage(media=media):
            yield _("recording {file}").format(file=_file(media))
        case contract.MpvideoMessage(media=media, description=description):
            if description:
                yield _("described as: {excerpt}").format(excerpt=excerpt(description))
            yield _("video {file}").format(file=_file(media))


def excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def bytes_words(size: int) -> str:
    """A size as WeChat counts: 1 KB has 1,024 bytes."""
    if size < _STEP:
        return _("{size} bytes").format(size=size)
    if size < _STEP * _STEP:
        return f"{size / _STEP:.1f} KB"
    return f"{size / _STEP / _STEP:.1f} MB"


def uri_words(uri: str) -> str:
    """A URI as it may be shown: a file by its path, anything else without its query."""
    from qunfa.article import name_of  # noqa: PLC0415 - see above

    path = local_file(uri)
    return str(path) if path else unquote(name_of(uri))


def _article_lines(article: contract.Article) -> Iterator[str]:
    from qunfa.article import ArticleError, pictures  # noqa: PLC0415 - see above

    by = _(" by {author}").format(author=article.author) if article.author else ""
    if article.digest:
        yield _("abstract: {excerpt}").format(excerpt=excerpt(article.digest))
    try:
        found = pictures(article.content)
    except ArticleError as error:
        yield _('article "{title}"{by}: its content {error}').format(title=article.title, by=by, error=error)
        return
    count = several("{number} picture", "{number} pictures", len(found)).format(number=len(found))
    said = _('article "{title}"{by}: {number:,} characters, {count}')
    yield said.format(title=article.title, by=by, number=len(article.content), count=count)
    yield _("cover {file}").format(file=_file(article.thumb))
    for picture in found:
        yield _("picture {described}").format(described=_described(picture))


def _file(media: contract.Media) -> str:
    if isinstance(media, contract.MediaUploaded):
        return _("media_id {media_id}, which WeChat holds").format(media_id=media.media_id)
    return _described(media.uri)


def _described(uri: str) -> str:
    """The URI, with the size of its file where that is one of this machine."""
    path = local_file(uri)
    try:
        size = f" ({bytes_words(path.stat().st_size)})" if path else ""
    except (OSError, ValueError):
        size = ""
    return uri_words(uri) + size
