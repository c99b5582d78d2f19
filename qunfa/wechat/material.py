"""The calls that make what a mass send is made of."""

import json
from collections.abc import Sequence
from typing import Final

from qunfa.wechat.answers import Draft, DraftAdded, Material, Picture, Uploaded, done
from qunfa.wechat.articles import DraftArticle, NewsArticle, articles_body
from qunfa.wechat.calling import Caller
from qunfa.wechat.credentials import Token
from qunfa.wechat.upload import MediaKind, MultipartBody, Progress, UploadFile

_UPLOAD: Final = "/cgi-bin/media/upload"
_UPLOADIMG: Final = "/cgi-bin/media/uploadimg"
_UPLOADVIDEO: Final = "/cgi-bin/media/uploadvideo"
_UPLOADNEWS: Final = "/cgi-bin/media/uploadnews"
_ADD_MATERIAL: Final = "/cgi-bin/material/add_material"
_DEL_MATERIAL: Final = "/cgi-bin/material/del_material"
_DRAFT_ADD: Final = "/cgi-bin/draft/add"
_DRAFT_GET: Final = "/cgi-bin/draft/get"

_DRAFT_BYTES_MAX: Final = 16 << 20
"""Eight articles of up to 1 MB of content each, which JSON may write at twice the length."""


class MaterialCalls(Caller):
    """Uploads, drafts and conversions. None of them reaches a follower.

    An upload streams its file, and calls `progress` with the bytes written so far. It raises, beside the errors of
    every call, `WrongSize` where the file's source gave another number of bytes than the file's size, and whatever
    that source or `progress` raises, unchanged. It may last a second per 32 KiB longer than another call.
    """

    async def upload(
        self, token: Token, kind: MediaKind, file: UploadFile, *, progress: Progress | None = None
    ) -> Uploaded:
        """Store temporary material (`media/upload`); its media_id lives for three days."""
        body = MultipartBody(file, progress=progress)
        about = f"{kind} {file.name}"
        return await self._upload(_UPLOAD, token, body, Uploaded.model_validate, about=about, query={"type": kind})

    async def uploadimg(self, token: Token, file: UploadFile, *, progress: Progress | None = None) -> str:
        """The URL of a picture for the content of an article (`media/uploadimg`), where WeChat drops all others."""
        body = MultipartBody(file, progress=progress)
        about = f"picture {file.name}"
        return (await self._upload(_UPLOADIMG, token, body, Picture.model_validate, about=about)).url

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
        return await self._upload(_ADD_MATERIAL, token, body, read, about=about, query={"type": kind})

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


def _titles(articles: Sequence[NewsArticle] | Sequence[DraftArticle]) -> str:
    return f"article {articles[0].title!r}" if len(articles) == 1 else f"{len(articles)} articles"
