"""The Official Account API, as far as mass sends need it: one method is one HTTP call."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from qunfa.wechat.answers import (
    CallbackCheck,
    Draft,
    Followers,
    JobStatus,
    Made,
    OpenidPage,
    Picture,
    Previewed,
    Quota,
    Speed,
    Submitted,
    Tag,
    Tags,
    done,
)  # fmt: skip
from qunfa.wechat.exchange import ANSWER_BYTES_MAX, Answer, Call, Read, exchange
from qunfa.wechat.messages import MassBody, PreviewBody
from qunfa.wechat.tokens import Token
from qunfa.wechat.upload import MediaKind, MultipartBody, Progress, UploadFile

_GET: Final = "/cgi-bin/message/mass/get"
_PREVIEW: Final = "/cgi-bin/message/mass/preview"
_UPLOAD: Final = "/cgi-bin/media/upload"
_UPLOADIMG: Final = "/cgi-bin/media/uploadimg"
_UPLOADVIDEO: Final = "/cgi-bin/media/uploadvideo"
_UPLOADNEWS: Final = "/cgi-bin/media/uploadnews"
_ADD_MATERIAL: Final = "/cgi-bin/material/add_material"
_DRAFT_ADD: Final = "/cgi-bin/draft/add"
_DRAFT_GET: Final = "/cgi-bin/draft/get"
_TAGS: Final = "/cgi-bin/tags/get"
_TAGGED: Final = "/cgi-bin/user/tag/get"
_FOLLOWERS: Final = "/cgi-bin/user/get"
_QUOTA: Final = "/cgi-bin/openapi/quota/get"
_DELETE: Final = "/cgi-bin/message/mass/delete"
_SPEED_GET: Final = "/cgi-bin/message/mass/speed/get"
_SPEED_SET: Final = "/cgi-bin/message/mass/speed/set"
_CALLBACK_CHECK: Final = "/cgi-bin/callback/check"

_DRAFT_BYTES_MAX: Final = 16 << 20
"""Eight articles of up to 1 MB of content each, which JSON may write at twice the length."""
_PAGE_BYTES_MAX: Final = 4 << 20
"""10,000 openids of 128 characters, and more."""
SPEED_MAX: Final = 4
_SEEN_FROM: Final = {"action": "all", "check_operator": "DEFAULT"}


class OfficialAccount:
    """The API of one account, at a base URL without a slash at its end.

    It makes one call a method. Repeats, waits and tokens are the caller's. Every method raises `NotWritten` (the
    request never left), `MaybeWritten` (no usable answer) or `Refused` (an errcode). The bodies of a send to many and
    of a preview are types of their own: TypeError for the wrong one, before anything is written.

    An upload streams its file, and calls `progress` with the bytes written so far. It raises OSError where the file
    cannot be read, and may last a second per 32 KiB longer than another call.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str, account: str) -> None:
        self._http = http
        self._base_url = base_url
        self._account = account

    async def submit(self, token: Token, body: MassBody, *, in_time: Callable[[], bool] | None = None) -> Submitted:
        """Submit a mass send. Accepted is not delivered: the event, or `get`, tells the result.

        `in_time` is asked right before the first byte: `TooLate` where it says no. Only verified service accounts may
        send to openids.
        """
        _check(body, MassBody)
        about = f"clientmsgid {body['clientmsgid']}"
        return await self._call(body.endpoint, token, body, Submitted.model_validate, about=about, in_time=in_time)

    async def preview(self, token: Token, body: PreviewBody) -> int | None:
        """Show a message to one person (`mass/preview`): its msg_id, if there is one.

        It counts against 100 a day, and no event tells of it.
        """
        _check(body, PreviewBody)

        def read(answer: Mapping[str, Any]) -> Previewed:
            previewed = Previewed.model_validate(answer)
            if previewed.msg_id is None:
                done(answer)
            return previewed

        about = "preview to " + (f"WeChat id {body['towxname']}" if "towxname" in body else f"openid {body['touser']}")
        return (await self._call(_PREVIEW, token, body, read, about=about)).msg_id

    async def get(self, token: Token, msg_id: int) -> str:
        """The state of a job (`mass/get`): one of `JOB_STATES`, or another word of WeChat's as it stands.

        A job that was just accepted may still be unknown (40059).
        """

        def read(answer: Mapping[str, Any]) -> str:
            status = JobStatus.model_validate({"msg_id": msg_id, **answer})
            if status.msg_id != msg_id:
                raise ValueError("the answer is about another job")
            return status.msg_status

        return await self._call(_GET, token, {"msg_id": str(msg_id)}, read, about=f"msg_id {msg_id}")

    async def upload(self, token: Token, kind: MediaKind, file: UploadFile, *, progress: Progress | None = None) -> str:
        """The media_id of temporary material (`media/upload`). It lives for three days."""
        body, about = MultipartBody(file, progress), f"{kind} {file.name}"
        return (await self._call(_UPLOAD, token, body, Made.model_validate, about=about, query={"type": kind})).media_id

    async def uploadimg(self, token: Token, file: UploadFile, *, progress: Progress | None = None) -> str:
        """The URL of a picture for the content of an article (`media/uploadimg`), where WeChat drops all others."""
        body, about = MultipartBody(file, progress), f"picture {file.name}"
        return (await self._call(_UPLOADIMG, token, body, Picture.model_validate, about=about)).url

    async def add_material(self, token: Token, file: UploadFile, *, progress: Progress | None = None) -> str:
        """The media_id of a permanent image (`material/add_material`)."""
        body, about, query = MultipartBody(file, progress), f"image {file.name}", {"type": "image"}
        made = await self._call(_ADD_MATERIAL, token, body, Made.model_validate, about=about, query=query)
        return made.media_id

    async def uploadvideo(self, token: Token, media_id: str, title: str, description: str) -> str:
        """The media_id that an uploaded video is sent by (`media/uploadvideo`)."""
        body = {"media_id": media_id, "title": title, "description": description}
        return (await self._call(_UPLOADVIDEO, token, body, Made.model_validate, about=f"media_id {media_id}")).media_id

    async def uploadnews(self, token: Token, articles: Sequence[Mapping[str, Any]]) -> str:
        """The media_id of articles, as `article_wire` makes them, as temporary material (`media/uploadnews`)."""
        body, about = {"articles": articles}, _titles(articles)
        return (await self._call(_UPLOADNEWS, token, body, Made.model_validate, about=about)).media_id

    async def draft_add(self, token: Token, articles: Sequence[Mapping[str, Any]]) -> str:
        """The media_id of a new draft of such articles (`draft/add`). It dies when the draft has been mass sent."""
        known = [{name: one[name] for name in one if name != "show_cover_pic"} for one in articles]
        body, about = {"articles": [{"article_type": "news", **one} for one in known]}, _titles(articles)
        return (await self._call(_DRAFT_ADD, token, body, Made.model_validate, about=about)).media_id

    async def draft_get(self, token: Token, media_id: str) -> tuple[str, ...]:
        """The content of each article of a draft (`draft/get`), without the scripts and foreign pictures it had."""
        body, about, read = {"media_id": media_id}, f"media_id {media_id}", Draft.model_validate
        draft = await self._call(_DRAFT_GET, token, body, read, about=about, answer_bytes_max=_DRAFT_BYTES_MAX)
        return tuple(article.content for article in draft.news_item)

    async def tags(self, token: Token) -> tuple[Tag, ...]:
        return (await self._call(_TAGS, token, None, Tags.model_validate)).tags

    async def followers(self, token: Token) -> int:
        """How many followers the account has (`user/get`); the page of openids that comes with it is not read."""
        return (await self._call(_FOLLOWERS, token, None, Followers.model_validate)).total

    async def openids(self, token: Token, after: str = "") -> OpenidPage:
        """Up to 10,000 followers of the account (`user/get`), those that come after one; from the first on without."""
        query, read = {"next_openid": after} if after else {}, OpenidPage.model_validate
        return await self._call(_FOLLOWERS, token, None, read, query=query, answer_bytes_max=_PAGE_BYTES_MAX)

    async def tag_openids(self, token: Token, tag_id: int, after: str = "") -> OpenidPage:
        """Some followers under a tag (`user/tag/get`), those that come after one; from the first on without."""
        body, about, read = {"tagid": tag_id, "next_openid": after}, f"tag {tag_id}", OpenidPage.model_validate
        return await self._call(_TAGGED, token, body, read, about=about, answer_bytes_max=_PAGE_BYTES_MAX)

    async def quota(self, token: Token, cgi_path: str) -> Quota:
        """How often the API at `cgi_path` (`/cgi-bin/…`) may be called today, and was."""
        return await self._call(_QUOTA, token, {"cgi_path": cgi_path}, Quota.model_validate, about=cgi_path)

    async def delete(self, token: Token, msg_id: int, article_idx: int | None = None) -> None:
        """Take back the articles of a job that was sent, or one of them, counted from 1; only mpnews and mpvideo.

        The page behind the message goes, the message stays. Other jobs with the same material lose their pages, too.

        Raises:
            ValueError: the article_idx is less than 1 (0 would be all articles).
        """
        if article_idx is not None and article_idx < 1:
            raise ValueError("articles are counted from 1")
        body = {"msg_id": msg_id, **({} if article_idx is None else {"article_idx": article_idx})}
        await self._call(_DELETE, token, body, done, about=f"msg_id {msg_id}")

    async def delete_url(self, token: Token, url: str) -> None:
        """Take back the article at `url` (`https://mp.weixin.qq.com/s?…`)."""
        await self._call(_DELETE, token, {"url": url}, done, about="an article by its URL")

    async def speed_get(self, token: Token) -> Speed:
        """How fast the account's mass sends go."""
        return await self._call(_SPEED_GET, token, {}, Speed.model_validate)

    async def speed_set(self, token: Token, speed: int) -> None:
        """Set how fast all mass sends of the account go from now on, from 0 (the fastest) to 4.

        Raises:
            ValueError: another speed.
        """
        if speed not in range(SPEED_MAX + 1):
            raise ValueError(f"a speed is a whole number from 0 to {SPEED_MAX}")
        await self._call(_SPEED_SET, token, {"speed": speed}, done, about=f"speed {speed}")

    async def callback_check(self, token: Token) -> CallbackCheck:
        """Let WeChat look up the callback's host and ping it."""
        return await self._call(_CALLBACK_CHECK, token, _SEEN_FROM, CallbackCheck.model_validate)

    async def _call(  # noqa: PLR0913  the parts of one call
        self,
        endpoint: str,
        token: Token,
        body: Mapping[str, Any] | MultipartBody | None,
        read: Read[Answer],
        *,
        about: str = "",
        query: Mapping[str, str] | None = None,
        in_time: Callable[[], bool] | None = None,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """Posts JSON or a file; gets where there is no body."""
        call = Call(
            self._account,
            endpoint,
            "GET" if body is None else "POST",
            self._base_url + endpoint,
            {"access_token": token, **(query or {})},
            body if body is None or isinstance(body, MultipartBody) else _json(body),
            about=about,
            in_time=in_time,
            answer_bytes_max=answer_bytes_max,
        )
        return await exchange(self._http, call, read)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _titles(articles: Sequence[Mapping[str, Any]]) -> str:
    return f"article {articles[0]['title']!r}" if len(articles) == 1 else f"{len(articles)} articles"


def _check(body: object, wanted: type[MassBody | PreviewBody]) -> None:
    if not isinstance(body, wanted):
        raise TypeError(f"this call takes a {wanted.__name__}, not a {type(body).__name__}")
