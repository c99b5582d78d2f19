"""The Official Account API, as far as mass sends need it: one method is one HTTP call."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import httpx

from qunfa.wechat.answers import (
    Addresses,
    CallbackCheck,
    Draft,
    DraftAdded,
    Followers,
    JobStatus,
    Material,
    Picture,
    Previewed,
    Quota,
    Speed,
    Submitted,
    Tag,
    Tags,
    Uploaded,
    done,
)  # fmt: skip
from qunfa.wechat.articles import DraftArticle, NewsArticle, articles_body
from qunfa.wechat.errors import SEND, SENDALL
from qunfa.wechat.exchange import ANSWER_BYTES_MAX, Answer, Call, Read, exchange
from qunfa.wechat.messages import PreviewBody, SendallBody, SendBody
from qunfa.wechat.tokens import Token
from qunfa.wechat.transport import api_url
from qunfa.wechat.upload import MediaKind, MultipartBody, Progress, UploadFile

_GET: Final = "/cgi-bin/message/mass/get"
_PREVIEW: Final = "/cgi-bin/message/mass/preview"
_UPLOAD: Final = "/cgi-bin/media/upload"
_UPLOADIMG: Final = "/cgi-bin/media/uploadimg"
_UPLOADVIDEO: Final = "/cgi-bin/media/uploadvideo"
_UPLOADNEWS: Final = "/cgi-bin/media/uploadnews"
_ADD_MATERIAL: Final = "/cgi-bin/material/add_material"
_DEL_MATERIAL: Final = "/cgi-bin/material/del_material"
_DRAFT_ADD: Final = "/cgi-bin/draft/add"
_DRAFT_GET: Final = "/cgi-bin/draft/get"
_TAGS: Final = "/cgi-bin/tags/get"
_FOLLOWERS: Final = "/cgi-bin/user/get"
_QUOTA: Final = "/cgi-bin/openapi/quota/get"
_DELETE: Final = "/cgi-bin/message/mass/delete"
_SPEED_GET: Final = "/cgi-bin/message/mass/speed/get"
_SPEED_SET: Final = "/cgi-bin/message/mass/speed/set"
_CALLBACK_CHECK: Final = "/cgi-bin/callback/check"
_CALLBACK_IPS: Final = "/cgi-bin/getcallbackip"

_DRAFT_BYTES_MAX: Final = 16 << 20
"""Eight articles of up to 1 MB of content each, which JSON may write at twice the length."""
SPEED_MAX: Final = 4

CheckAction = Literal["dns", "ping", "all"]
CheckOperator = Literal["CHINANET", "UNICOM", "CAP", "DEFAULT"]


class OfficialAccount:
    """The API of one account. It never repeats a call, never waits and never fetches a token.

    The constructor raises ValueError for a base URL that is none. Every method raises `NotWritten` (the request never
    left), `MaybeWritten` (no usable answer) or `Refused` (an errcode). The bodies of a send to many and of a preview
    are types of their own: TypeError for the wrong one, before anything is written.

    An upload streams its file, and calls `progress` with the bytes written so far. It raises `WrongSize` where the
    file's source gave another number of bytes than the file's size. Whatever that source or `progress` raises comes
    out unchanged. An upload may last a second per 32 KiB longer than another call.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str, account: str, appid: str) -> None:
        self._http = http
        self._base_url = api_url(base_url)
        self.account = account
        self.appid = appid

    async def sendall(self, token: Token, body: SendallBody, *, in_time: Callable[[], bool] | None = None) -> Submitted:
        """Submit a send to everybody or to a tag. Accepted is not delivered: the event, or `get`, tells the result.

        `in_time` is asked right before the first byte: `NotWritten` where it says no.
        """
        _check(body, SendallBody)
        return await self._submit(SENDALL, token, body, in_time)

    async def send(self, token: Token, body: SendBody, *, in_time: Callable[[], bool] | None = None) -> Submitted:
        """Submit a send to a list of openids; only verified service accounts may. `in_time` as for `sendall`."""
        _check(body, SendBody)
        return await self._submit(SEND, token, body, in_time)

    async def preview(self, token: Token, body: PreviewBody) -> Previewed:
        """Show a message to one person (`mass/preview`). It counts against 100 a day, and no event tells of it."""
        _check(body, PreviewBody)

        def read(answer: Mapping[str, Any]) -> Previewed:
            previewed = Previewed.model_validate(answer)
            if previewed.msg_id is None:
                done(answer)
            return previewed

        about = "preview to " + (f"WeChat id {body['towxname']}" if "towxname" in body else f"openid {body['touser']}")
        return await self._post(_PREVIEW, token, body, read, about=about)

    async def get(self, token: Token, msg_id: int) -> JobStatus:
        """The state of a job. A job that was just accepted may still be unknown (40059)."""

        def read(answer: Mapping[str, Any]) -> JobStatus:
            status = JobStatus.model_validate({"msg_id": msg_id, **answer})
            if status.msg_id != msg_id:
                raise ValueError("the answer is about another job")
            return status

        return await self._post(_GET, token, {"msg_id": str(msg_id)}, read, about=f"msg_id {msg_id}")

    async def upload(
        self, token: Token, kind: MediaKind, file: UploadFile, *, progress: Progress | None = None
    ) -> Uploaded:
        """Store temporary material (`media/upload`); its media_id lives for three days."""
        body = MultipartBody(file, progress=progress)
        about = f"{kind} {file.name}"
        return await self._post(_UPLOAD, token, body, Uploaded.model_validate, about=about, query={"type": kind})

    async def uploadimg(self, token: Token, file: UploadFile, *, progress: Progress | None = None) -> str:
        """The URL of a picture for the content of an article (`media/uploadimg`), where WeChat drops all others."""
        body = MultipartBody(file, progress=progress)
        about = f"picture {file.name}"
        return (await self._post(_UPLOADIMG, token, body, Picture.model_validate, about=about)).url

    async def add_material(  # noqa: PLR0913  two of them are a video's only
        self,
        token: Token,
        kind: MediaKind,
        file: UploadFile,
        *,
        title: str = "",
        introduction: str = "",
        progress: Progress | None = None,
    ) -> Material:
        """Store permanent material (`material/add_material`); a video must have a title, nothing else has one.

        Raises:
            ValueError: a video without title, or something else with one or with an introduction.
        """
        if (kind == "video") != bool(title) or (introduction and not title):
            raise ValueError("a video has a title, and other material has neither title nor introduction")
        described = {"title": title, "introduction": introduction}
        fields = {"description": json.dumps(described, ensure_ascii=False, separators=(",", ":"))} if title else {}
        body = MultipartBody(file, fields=fields, progress=progress)
        about = f"{kind} {file.name}"
        read = Material.model_validate
        return await self._post(_ADD_MATERIAL, token, body, read, about=about, query={"type": kind})

    async def del_material(self, token: Token, media_id: str) -> None:
        """Delete permanent material (`material/del_material`)."""
        await self._post(_DEL_MATERIAL, token, {"media_id": media_id}, done, about=f"media_id {media_id}")

    async def uploadvideo(self, token: Token, media_id: str, title: str, description: str) -> Uploaded:
        """Convert an uploaded video (`media/uploadvideo`): the media_id that comes back is the one to be sent."""
        body = {"media_id": media_id, "title": title, "description": description}
        return await self._post(_UPLOADVIDEO, token, body, Uploaded.model_validate, about=f"media_id {media_id}")

    async def uploadnews(self, token: Token, articles: Sequence[NewsArticle]) -> Uploaded:
        """Store articles as temporary material (`media/uploadnews`), whose thumbs are temporary.

        Raises:
            ValueError: not 1 to 8 articles.
        """
        body, about = articles_body(articles), _titles(articles)
        return await self._post(_UPLOADNEWS, token, body, Uploaded.model_validate, about=about)

    async def draft_add(self, token: Token, articles: Sequence[DraftArticle]) -> str:
        """Make a draft (`draft/add`), whose thumbs are permanent; its media_id dies when it has been mass sent.

        Raises:
            ValueError: not 1 to 8 articles.
        """
        body, about = articles_body(articles), _titles(articles)
        return (await self._post(_DRAFT_ADD, token, body, DraftAdded.model_validate, about=about)).media_id

    async def draft_get(self, token: Token, media_id: str) -> Draft:
        """A draft as it stands (`draft/get`): scripts and foreign pictures are gone from its articles' content."""
        body, about = {"media_id": media_id}, f"media_id {media_id}"
        read = Draft.model_validate
        return await self._post(_DRAFT_GET, token, body, read, about=about, answer_bytes_max=_DRAFT_BYTES_MAX)

    async def tags(self, token: Token) -> tuple[Tag, ...]:
        """All tags of the account."""
        return (await self._get(_TAGS, token, Tags.model_validate)).tags

    async def followers(self, token: Token) -> int:
        """How many followers the account has (`user/get`); the page of openids that comes with it is not read."""
        return (await self._get(_FOLLOWERS, token, Followers.model_validate)).total

    async def quota(self, token: Token, cgi_path: str) -> Quota:
        """How often the API at `cgi_path` (`/cgi-bin/…`) may be called today, and was."""
        return await self._post(_QUOTA, token, {"cgi_path": cgi_path}, Quota.model_validate, about=cgi_path)

    async def delete(self, token: Token, msg_id: int, article_idx: int | None = None) -> None:
        """Take back the articles of a job that was sent, or one of them, counted from 1; only mpnews and mpvideo.

        The page behind the message goes, the message stays. Other jobs with the same material lose their pages, too.

        Raises:
            ValueError: the article_idx is less than 1 (0 would be all articles).
        """
        if article_idx is not None and article_idx < 1:
            raise ValueError("articles are counted from 1")
        body: dict[str, Any] = (
            {"msg_id": msg_id} if article_idx is None else {"msg_id": msg_id, "article_idx": article_idx}
        )
        await self._post(_DELETE, token, body, done, about=f"msg_id {msg_id}")

    async def delete_url(self, token: Token, url: str) -> None:
        """Take back the article at `url` (`https://mp.weixin.qq.com/s?…`)."""
        await self._post(_DELETE, token, {"url": url}, done, about="an article by its URL")

    async def speed_get(self, token: Token) -> Speed:
        """How fast the account's mass sends go."""
        return await self._post(_SPEED_GET, token, {}, Speed.model_validate)

    async def speed_set(self, token: Token, speed: int) -> None:
        """Set how fast all mass sends of the account go from now on, from 0 (the fastest) to 4.

        Raises:
            ValueError: another speed.
        """
        if speed not in range(SPEED_MAX + 1):
            raise ValueError(f"a speed is a whole number from 0 to {SPEED_MAX}")
        await self._post(_SPEED_SET, token, {"speed": speed}, done, about=f"speed {speed}")

    async def callback_check(
        self, token: Token, *, action: CheckAction = "all", check_operator: CheckOperator = "DEFAULT"
    ) -> CallbackCheck:
        """Let WeChat look up the callback's host and ping it, from one carrier's network or its own choice."""
        body = {"action": action, "check_operator": check_operator}
        return await self._post(_CALLBACK_CHECK, token, body, CallbackCheck.model_validate)

    async def callback_ips(self, token: Token) -> tuple[str, ...]:
        """The addresses that pushes come from, some as networks (`a.b.c.d/26`); they change now and then."""
        return (await self._get(_CALLBACK_IPS, token, Addresses.model_validate)).ip_list

    async def _submit(
        self, endpoint: str, token: Token, body: SendallBody | SendBody, in_time: Callable[[], bool] | None
    ) -> Submitted:
        about = f"clientmsgid {body['clientmsgid']}"
        return await self._post(endpoint, token, body, Submitted.model_validate, about=about, in_time=in_time)

    async def _get(self, endpoint: str, token: Token, read: Read[Answer]) -> Answer:
        call = Call(self.account, endpoint, "GET", self._base_url + endpoint, query={"access_token": token})
        return await exchange(self._http, call, read)

    async def _post(  # noqa: PLR0913  the parts of one call
        self,
        endpoint: str,
        token: Token,
        body: Mapping[str, Any] | MultipartBody,
        read: Read[Answer],
        *,
        about: str = "",
        query: Mapping[str, str] | None = None,
        in_time: Callable[[], bool] | None = None,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """Calls with JSON, or with a file."""
        call = Call(
            self.account,
            endpoint,
            "POST",
            self._base_url + endpoint,
            {"access_token": token, **(query or {})},
            body if isinstance(body, MultipartBody) else _json(body),
            about=about,
            in_time=in_time,
            answer_bytes_max=answer_bytes_max,
        )
        return await exchange(self._http, call, read)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _titles(articles: Sequence[NewsArticle] | Sequence[DraftArticle]) -> str:
    return f"article {articles[0].title!r}" if len(articles) == 1 else f"{len(articles)} articles"


def _check(body: object, wanted: type[SendallBody | SendBody | PreviewBody]) -> None:
    if not isinstance(body, wanted):
        raise TypeError(f"this call takes a {wanted.__name__}, not a {type(body).__name__}")
