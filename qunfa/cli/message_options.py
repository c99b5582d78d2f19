"""The options that say what is sent: one kind of message, with what belongs to it."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple

import typer

from qunfa.cli import sources
from qunfa.cli.errors import WrongUse

_PANEL: Final = "The message (one kind)"

Text = Annotated[str | None, typer.Option(help="A plain text.", rich_help_panel=_PANEL)]
Html = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="An article: an HTML file of this machine, with pictures beside it or anywhere.",
        rich_help_panel=_PANEL,
    ),
]
Thumb = Annotated[str | None, typer.Option(metavar="FILE", help="--html: its cover.", rich_help_panel=_PANEL)]
Title = Annotated[str | None, typer.Option(help="--html, --video: the title.", rich_help_panel=_PANEL)]
Author = Annotated[str | None, typer.Option(help="--html: the author.", rich_help_panel=_PANEL)]
Digest = Annotated[str | None, typer.Option(help="--html: the abstract.", rich_help_panel=_PANEL)]
SourceUrl = Annotated[
    str | None, typer.Option(metavar="URL", help='--html: where "Read more" leads.', rich_help_panel=_PANEL)
]
Image = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE…", help="Pictures: --image a.png b.png …", rich_help_panel=_PANEL),
]
Recommend = Annotated[str | None, typer.Option(help="--image: the words above the pictures.", rich_help_panel=_PANEL)]
Video = Annotated[str | None, typer.Option(metavar="FILE", help="A video (MP4).", rich_help_panel=_PANEL)]
Description = Annotated[str | None, typer.Option(help="--video: its description.", rich_help_panel=_PANEL)]
Voice = Annotated[str | None, typer.Option(metavar="FILE", help="A recording (MP3 or AMR).", rich_help_panel=_PANEL)]
FitImages = Annotated[
    bool | None,
    typer.Option(
        "--fit-images",
        help="Re-encode pictures that are too big for WeChat, or of a format that it refuses.",
        rich_help_panel=_PANEL,
    ),
]

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


class MessageOptions(NamedTuple):
    """What was given; `None` where an option was not."""

    text: str | None = None
    html: str | None = None
    thumb: str | None = None
    title: str | None = None
    author: str | None = None
    digest: str | None = None
    source_url: str | None = None
    image: list[str] | None = None
    recommend: str | None = None
    video: str | None = None
    description: str | None = None
    voice: str | None = None


def message_of(options: MessageOptions) -> dict[str, Any] | None:
    """The message as a request has it; `None` where no option speaks of one.

    Raises:
        WrongUse: The options contradict each other, one is missing, or a file is not here.
    """
    given = {name: value for name, value in options._asdict().items() if value is not None and value != []}
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) > 1:
        raise WrongUse(f"{_names(kinds)} exclude each other: a send has one message.")
    for name, owners in _BELONG.items():
        if name in given and not set(owners) & set(kinds):
            raise WrongUse(f"{_name(name)} belongs to {_names(owners, 'or')}: give that option too.")
    if not kinds:
        return None
    [kind] = kinds
    missing = [name for name in _NEED.get(kind, ()) if name not in given]
    if missing:
        raise WrongUse(f"{_name(kind)} needs {_names(missing)} as well.")
    return _built(kind, given)


def _built(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "html":
            return {"msgtype": "mpnews", "articles": [_article(given)]}
        case "image":
            images = [sources.media("--image", named) for named in given["image"]]
            return {"msgtype": "image", "images": images, **_also(given, recommend="recommend")}
        case "video":
            media = sources.media("--video", given["video"])
            return {"msgtype": "mpvideo", "media": media, **_also(given, title="title", description="description")}
        case "voice":
            return {"msgtype": "voice", "media": sources.media("--voice", given["voice"])}
        case _:
            return {"msgtype": "text", "content": given["text"]}


def _article(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "content": sources.article_content("--html", given["html"]),
        "thumb": sources.media("--thumb", given["thumb"]),
        **_also(given, title="title", author="author", digest="digest", content_source_url="source_url"),
    }


def _also(given: dict[str, Any], **fields: str) -> dict[str, Any]:
    return {field: given[name] for field, name in fields.items() if name in given}


def _name(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _names(options: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join(_name(option) for option in options)
