"""What a send says, by which its calls, jobs and runs are known: a text, a title, or the words above pictures."""

from pathlib import Path
from typing import Any, Final, Literal

from qunfa.simulator.content import Content
from qunfa.simulator.errors import Refusal
from qunfa.simulator.world import Call, World
from tests.media.samples import picture

Form = Literal["text", "mpnews", "image"]
COVER: Final = "cover.jpg"
PICTURE: Final = "inside.png"


def write_files(folder: Path) -> None:
    """The files that messages are made of."""
    folder.mkdir()
    (folder / COVER).write_bytes(picture("JPEG"))
    (folder / PICTURE).write_bytes(picture("PNG", colour="blue"))


def message(form: Form, words: str, folder: Path) -> dict[str, Any]:
    """A message that says `words`, as a request has it; its files are in `folder`."""
    cover, inside = (f"file:{folder / name}" for name in (COVER, PICTURE))
    match form:
        case "mpnews":
            article = {"title": words, "content": f'<p>你好</p><img src="{inside}">', "thumb": {"uri": cover}}
            return {"msgtype": "mpnews", "articles": [article]}
        case "image":
            return {"msgtype": "image", "images": [{"uri": inside}], "recommend": words}
        case _:
            return {"msgtype": "text", "content": words}


def of_message(asked: dict[str, Any]) -> str:
    """What the message of a request says."""
    match asked:
        case {"articles": [{"title": str(title)}, *_]}:
            return title
        case {"recommend": str(words)} | {"content": str(words)}:
            return words
        case _:
            return ""


def of_content(content: Content) -> str:
    """What followers read."""
    if content.articles:
        return content.articles[0].title
    return content.text or content.recommend


def of_call(world: World, call: Call) -> str:
    """What a submission or a new draft says, or the job that a question is about."""
    try:
        body = call.json()
    except Refusal:
        return ""
    match body:
        case {"text": {"content": str(words)}} | {"images": {"recommend": str(words)}}:
            return words
        case {"articles": [{"title": str(title)}, *_]}:
            return title
        case {"mpnews": {"media_id": str(media_id)}}:
            draft = call.account.library.get(media_id) if call.account else None
            return draft.articles[0].title if draft and draft.articles else ""
        case {"msg_id": int(msg_id) | str(msg_id)}:
            job = world.jobs.get(int(msg_id))
            return of_content(job.content) if job else ""
        case _:
            return ""
