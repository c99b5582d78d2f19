"""What an account may do, and how big what it sends may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from qunfa.simulator.plans import STRICT

Count = Annotated[int, Field(ge=0)]
QuotaName = Literal[
    "token",
    "stable_token",
    "mass",
    "mass/get",
    "mass/preview",
    "mass/delete",
    "mass/speed",
    "media/upload",
    "media/uploadimg",
    "media/uploadnews",
    "media/uploadvideo",
    "draft/add",
    "draft/get",
    "draft/delete",
    "draft/count",
    "material/add_material",
    "material/del_material",
    "material/get_materialcount",
    "tags/get",
    "user/tag/get",
    "user/get",
    "callback/check",
    "getcallbackip",
    "openapi/quota/get",
    "other",
]

_KB = 1024
_MB = 1024 * _KB


class MediaLimits(BaseModel):
    """The biggest files, in bytes, and the length of voices.

    Attributes:
        image, voice, video, thumb: of media/upload and material/add_material (40009, 40010, 40011, 40012).
        article_image: of media/uploadimg: a picture must be smaller than this (40009).
        voice_seconds: how long a voice may last (45007).
        body: a request that is longer is not looked at any more (45001).
        images_stored, others_stored: how much permanent material of a kind there may be (45074).
    """

    model_config = STRICT

    image: Count = 10 * _MB
    voice: Count = 2 * _MB
    video: Count = 10 * _MB
    thumb: Count = 64 * _KB
    article_image: Count = _MB
    voice_seconds: Count = 60
    body: Count = 20 * _MB
    images_stored: Count = 100_000
    others_stored: Count = 1_000


class ArticleLimits(BaseModel):
    """How long an article may be, in characters unless a name says bytes.

    Attributes:
        count: articles of a message (45008).
        title: 45003.
        author: 40192.
        digest: 45004.
        content: the content must be shorter than this (45002).
        content_bytes: and than this, in UTF-8.
        source_url_bytes: of content_source_url (45005).
    """

    model_config = STRICT

    count: Count = 8
    title: Count = 64
    author: Count = 16
    digest: Count = 120
    content: Count = 20_000
    content_bytes: Count = _MB
    source_url_bytes: Count = _KB


class Limits(BaseModel):
    """What an account may do.

    Attributes:
        calls_per_day: over the defaults of the account's kind; `mass` is sendall and send together, `other` is for each
            that has no number of its own.
        mass_per_minute: calls of sendall and send.
        stable_tokens_per_minute: calls of stable_token.
        sends_per_day: successful sends of a subscription account, to all or to a tag.
        to_all_per_month: successful sends to all of a service account.
        user_per_month: messages that a follower of a service account receives.
        openids: length of the list of mass/send.
        clientmsgid: its length in bytes.
        text_bytes: length of a text message in UTF-8.
        images: pictures of an image message (40215).
        recommend: characters of its recommendation (40193).
        media: sizes of files.
        articles: lengths of articles.
    """

    model_config = STRICT

    calls_per_day: dict[QuotaName, Count] = Field(default_factory=dict)
    mass_per_minute: Count = 60
    stable_tokens_per_minute: Count = 10_000
    sends_per_day: Count = 1
    to_all_per_month: Count = 4
    user_per_month: Annotated[int, Field(ge=0, le=254)] = 4
    openids: Count = 10_000
    clientmsgid: Count = 32
    text_bytes: Count = 2048
    images: Count = 20
    recommend: Count = 140
    media: MediaLimits = MediaLimits()
    articles: ArticleLimits = ArticleLimits()
