"""The simulator's configuration: accounts, tags, followers, limits and times, from a small TOML file."""

from __future__ import annotations

import re
import tomllib
from array import array
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr, model_validator

from qunfa.simulator.plans import Fault, JobPlan, Seconds, Strict

Count = Annotated[int, Field(ge=0)]
Format = Literal["xml", "json"]
JsonLists = Literal["objects", "items", "single"]
QuotaName = Literal[
    "token", "stable_token", "mass", "mass/get", "mass/preview", "mass/delete", "mass/speed", "media/upload",
    "media/uploadimg", "media/uploadnews", "media/uploadvideo", "draft/add", "draft/get",
    "material/add_material", "tags/get", "user/tag/get",
    "user/get", "callback/check", "getcallbackip", "openapi/quota/get", "other",
]  # fmt: skip
"""The daily quotas: endpoints may share one, as sendall and send do."""

_KB = 1024
_MB = 1024 * _KB
_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")


def _check_port(url: str) -> str:
    """Let a URL pass whose port, if it has one, is a port; urlsplit raises ValueError otherwise."""
    if urlsplit(url).port == 0:
        raise ValueError("port 0 is no port")
    return url


CallbackUrl = Annotated[str, Field(pattern=r"^https?://[^/?#\s]+"), AfterValidator(_check_port)]


class MediaLimits(Strict):
    """The biggest files, in bytes, and the length of voices.

    Attributes:
        image, voice, video, thumb: of media/upload and material/add_material (40009, 40010, 40011, 40012).
        article_image: of media/uploadimg: a picture must be smaller than this (40009).
        voice_seconds: how long a voice may last (45007).
        body: a request that is longer is not looked at any more (45001).
        images_stored: how many permanent images and drafts there may be, all together (45074).
    """

    image: Count = 10 * _MB
    voice: Count = 2 * _MB
    video: Count = 10 * _MB
    thumb: Count = 64 * _KB
    article_image: Count = _MB
    voice_seconds: Count = 60
    body: Count = 20 * _MB
    images_stored: Count = 100_000


class ArticleLimits(Strict):
    """How long an article may be, in characters unless a name says bytes.

    Attributes:
        count: articles of a message (45008).
        title: 45003.
        author: 40192.
        digest: 45004.
        content: the content must be shorter than this (45002). So it stays below WeChat's limit of a megabyte, too.
        source_url_bytes: of content_source_url (45005).
    """

    count: Count = 8
    title: Count = 64
    author: Count = 16
    digest: Count = 120
    content: Count = 20_000
    source_url_bytes: Count = _KB


class Limits(Strict):
    """What an account may do.

    Attributes:
        calls_per_day: instead of what the account's kind has (`accounts.py`). `mass` is sendall and send together.
            `other` is for each that has no number of its own.
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


class Timing(Strict):
    """Spans in seconds, each divided by `scale`.

    Attributes:
        delivery: from acceptance (or confirmation) to the end of a job.
        unknown: how long mass/get answers 40059 after acceptance.
        confirmation: how long the administrator has.
        duplicate_window: how long a clientmsgid blocks its repetition (45065).
        too_fast: how long after acceptance a repetition is answered with 45066.
        rate_window: the "minute" of the rate limits (45011).
        media_lifetime: how long a media_id that is not permanent works (then 40007).
    """

    delivery: Seconds = 5.0
    unknown: Seconds = 0.0
    confirmation: Seconds = 1800.0
    duplicate_window: Seconds = 86400.0
    too_fast: Seconds = 60.0
    rate_window: Seconds = 60.0
    media_lifetime: Seconds = 259200.0


class TokenRules(Strict):
    """Lifetimes of access tokens in seconds (never scaled) and how often one may be forced."""

    lifetime: Seconds = 7200.0
    overlap: Seconds = 300.0
    forced_spacing: Seconds = 30.0
    forced_per_day: Count = 20


class PushRules(Strict):
    """How pushes are made.

    Attributes:
        deadline: for each try, in real seconds.
        tries: how many in all.
        spacing: seconds between them, scaled.
        repeats: whether a further try is signed and encrypted anew, or is the first one over again.
        skew: how many real seconds the signed timestamp is ahead of this machine's clock. It does not follow the
            simulated time: receivers compare it with their own.
    """

    deadline: Annotated[float, Field(gt=0)] = 5.0
    tries: Annotated[int, Field(ge=1)] = 3
    spacing: Seconds = 5.0
    repeats: Literal["signed_anew", "unchanged"] = "signed_anew"
    skew: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class Callback(Strict):
    """Where an account's events are pushed to, as its server configuration says.

    Attributes:
        token, aes_key: WeChat's Token and EncodingAESKey; without the key only plain mode is possible.
        mode: in the clear, encrypted, or both in one body.
        format: of the body, and of what is encrypted in it.
        json_lists: how JSON has a list, which is documented nowhere: as a list of objects; each of them as `item` of
            another; or as a list of objects, but a single one without the list.
    """

    url: CallbackUrl
    token: SecretStr
    aes_key: SecretStr | None = None
    mode: Literal["plain", "compat", "safe"] = "plain"
    format: Format = "xml"
    json_lists: JsonLists = "objects"

    @model_validator(mode="after")
    def _key_is_there(self) -> Callback:
        if self.aes_key is None and self.mode != "plain":
            raise ValueError(f"mode {self.mode} needs an aes_key")
        if self.aes_key is not None and not _AES_KEY.fullmatch(self.aes_key.get_secret_value()):
            raise ValueError("aes_key must be 43 letters and digits")
        return self


class Tag(Strict):
    """A tag.

    Attributes:
        count, first, every: its members by a rule: `count` followers from number `first`, every `every`-th.
        also: numbers of further members.
    """

    id: Count
    name: str
    count: Count = 0
    first: Count = 0
    every: Annotated[int, Field(ge=1)] = 1
    also: tuple[Count, ...] = ()

    def members(self) -> Sequence[int]:
        """The numbers of its members, in order."""
        by_rule = range(self.first, self.first + self.count * self.every, self.every)
        return _with(by_rule, self.also) if self.also else by_rule


@lru_cache(maxsize=256)
def _with(by_rule: range, also: tuple[int, ...]) -> Sequence[int]:
    return array("I", sorted({*by_rule, *also}))


_STARRED = Tag(id=2, name="星标组")


class AccountConfig(Strict):
    """One Official Account.

    Attributes:
        kind: `test` accounts have no right to mass sends (45028).
        verified: an account that is not answers 48001.
        followers: how many; their openids are `openid(appid, n)` for n from 0.
        ip_whitelist: addresses that may fetch tokens; any if None.
        admin_confirmation: sends to all wait for the administrator.
        confirmation_answer: what mass/get answers in the meantime.
        default_clientmsgid: what is compared when a send has no clientmsgid.
        invalid_openids: whether one refuses the whole list (40003) or is left out.
        failed_jobs_keep_clientmsgid: whether a job that failed goes on blocking its clientmsgid.
        wxnames: WeChat ids of followers, for `towxname` of previews, with the follower's number.
        comments: the right to comments; without it an article that wants them is refused (88000).
        cards: whether card messages are sent; WeChat refuses them today (45113).
        preview_msg_id: whether the answer to a preview has a msg_id.
        draft_pictures: how draft/get gives pictures back: with their `src`, or with `data-src` instead.
    """

    appid: Annotated[str, Field(min_length=1)]
    secret: SecretStr
    kind: Literal["service", "subscription", "test"] = "service"
    verified: bool = True
    original_id: str = "gh_000000000000"
    followers: Annotated[int, Field(ge=0, lt=2**30)] = 0
    tags: tuple[Tag, ...] = ()
    callback: Callback | None = None
    ip_whitelist: tuple[str, ...] | None = None
    admin_confirmation: bool = False
    confirmation_answer: Literal["SENDING", 89504, 89505] = "SENDING"
    default_clientmsgid: Literal["audience+content", "content"] = "audience+content"
    invalid_openids: Literal["reject", "filter"] = "reject"
    failed_jobs_keep_clientmsgid: bool = True
    wxnames: dict[str, Count] = Field(default_factory=dict)
    comments: bool = True
    cards: bool = False
    preview_msg_id: bool = False
    draft_pictures: Literal["src", "data-src"] = "src"
    limits: Limits = Limits()

    @property
    def all_tags(self) -> tuple[Tag, ...]:
        """The account's tags, and WeChat's own tag 2, which has nobody unless the configuration says otherwise."""
        own = () if any(tag.id == _STARRED.id for tag in self.tags) else (_STARRED,)
        return (*own, *self.tags)

    @model_validator(mode="after")
    def _names_followers(self) -> AccountConfig:
        for tag in self.tags:
            needed = max(tag.members(), default=-1) + 1
            if needed > self.followers:
                raise ValueError(f"tag {tag.id} needs {needed} followers, there are {self.followers}")
        if len({tag.id for tag in self.tags}) != len(self.tags):
            raise ValueError("two tags have the same id")
        for name, number in self.wxnames.items():
            if number >= self.followers:
                raise ValueError(f"WeChat id {name!r} is of follower {number}, there are {self.followers}")
        return self


class SimulatorConfig(Strict):
    """Everything the simulator starts from.

    Attributes:
        scale: divides the spans that `clock.py` names.
        now: the time at the start, instead of the real one.
        seed: of the chance in faults and plans.
        call_log: how many calls and push tries are remembered.
        faults, pushes: plans that are there from the start.
    """

    scale: Annotated[float, Field(gt=0)] = 1.0
    now: AwareDatetime | None = None
    seed: int = 0
    call_log: Annotated[int, Field(ge=1)] = 10_000
    timing: Timing = Timing()
    tokens: TokenRules = TokenRules()
    push: PushRules = PushRules()
    accounts: dict[str, AccountConfig] = Field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    pushes: tuple[JobPlan, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> SimulatorConfig:
        if len({account.appid for account in self.accounts.values()}) != len(self.accounts):
            raise ValueError("two accounts have the same appid")
        for order in (*self.faults, *self.pushes):
            if order.account is not None and order.account not in self.accounts:
                raise ValueError(f"a plan is for account {order.account!r}, which is not configured")
        return self


def load_config(path: str | Path) -> SimulatorConfig:
    """Read a TOML file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not TOML, or a value is missing, wrong or unknown.
    """
    return SimulatorConfig.model_validate(tomllib.loads(Path(path).read_text(encoding="utf-8")))
