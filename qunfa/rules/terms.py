"""What a request, or an answer to its send, is refused for by itself: by workers, by a dry run, and by the fake."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from qunfa.contract.audience import Openids, is_long
from qunfa.contract.message import (
    ImageMessage,
    MediaUploaded,
    Message,
    MpnewsMessage,
    MpvideoMessage,
    Source,
    TextMessage,
    VoiceMessage,
    WxcardMessage,
)
from qunfa.contract.operators import Reschedule, Retry
from qunfa.contract.request import MassSendRequest, PreviewMessage, with_articles
from qunfa.contract.steps import AccountFacts
from qunfa.rules import approval
from qunfa.rules.calendar import last_open, next_opening, shanghai_clock, shanghai_day
from qunfa.rules.material import LIFETIME

RECOMMEND_SURE: Final = 140
"""Characters of a recommendation. WeChat refuses one that is too long (40193), and no page of it says from where on."""
TITLE_SURE: Final = 32
"""Characters of a draft's title, by WeChat's page on drafts; by older pages 64."""
PICTURE_SURE: Final = 2_000_000
"""Bytes of a picture of an image message, by a note on WeChat's page; the same page says 10 MB as well."""
TEXT_SURE: Final = 2048
"""Bytes of a text, in UTF-8. WeChat names no limit of a mass send's (45002); a customer service's has this one."""
DEFAULT_WORDS: Final = "分享图片"
"""What WeChat shows beside pictures that have no recommendation."""
AHEAD_MAX: Final = timedelta(days=366)
"""How far ahead a send may be scheduled."""
KEY_MAX: Final = 58
"""Of the key of a send in batches: each batch's key has its number behind it."""
ONE_DRAFT: Final = (
    "media_id: a draft can be sent once, and there are {number} batches: give its articles, and each batch makes a "
    "draft"
)
OLD_FORM: Final = (
    'account {account} sends pictures in the form of 2018 (image_via = "image"), which has room for one picture and '
    "nothing else"
)
TEMPORARY: Final = "message.msgtype: WeChat shows articles that go to a list as temporary links; nothing changes that"
"""So its users have seen it. The account's own history has what went to all, and nothing else."""
_CLOSED: Final = (
    "send_at: must be earlier than {end}, when send_hours ({opens} to {closes}) end for the last time before not_after"
)
_ASKS_FOR_QUOTA: Final = (
    "quota: the list takes until about {ends_at}. No batch waits for the next day's calls: once WeChat refuses one "
    "since the day's are used up, a person is asked"
)
_FAILS_BY_QUOTA: Final = (
    "quota: the list takes until about {ends_at}. No batch waits for the next day's calls: once WeChat refuses one "
    "since the day's are used up, what is left of it fails"
)
_DIES: Final = (
    "a temporary media_id dies three days after its upload, and this goes out until about {until}: give a file, or "
    "articles, instead"
)
NOT_ASKED_FOR: Final = "batch is none that a caller may ask for: a send in batches starts its batches itself"


def terms(request: MassSendRequest, now: datetime) -> list[str]:
    """A sentence for each reason against the request."""
    found = {
        f"send_at: must be at most {AHEAD_MAX.days} days ahead": too_far_ahead(request.send_at, now),
        f"key: must have at most {KEY_MAX} characters where the audience is sent in batches": (
            is_long(request.audience) and len(request.key) > KEY_MAX
        ),
    }
    shown = [not_shown(version.message) for version in request.versions] if request.preview else []
    return [*(sentence for sentence, applies in found.items() if applies), *of_each(shown)]


def of_account(request: MassSendRequest, facts: AccountFacts) -> list[str]:
    """A sentence for each reason why this account cannot carry the request out. Of a batch, its whole was judged."""
    found = approval.problems(facts.approval, request)
    if facts.kind == "subscription" and _is_listed(request):
        found.append(
            "audience.kind: WeChat lets service accounts alone send to lists, and this is a subscription account: use "
            "tag or all"
        )
    return found


def of_form(message: Message | PreviewMessage, facts: AccountFacts) -> list[str]:
    """What the message has that the account's form of image messages, that of 2018, has no room for."""
    if not isinstance(message, ImageMessage) or facts.image_via == "images":
        return []
    too_much = [*(["images"] if len(message.images) > 1 else []), *beside_the_picture(message)]
    said = OLD_FORM.format(account=facts.name)
    return [f"message.{name}: {said}" for name in too_much]


def beside_the_picture(message: Message | PreviewMessage) -> tuple[str, ...]:
    """The fields of an image message that its form of 2018 has not: a preview, which has that form, leaves them out."""
    if not isinstance(message, ImageMessage):
        return ()
    return tuple(name for name in ("recommend", "need_open_comment", "only_fans_can_comment") if getattr(message, name))


def not_shown(message: Message | PreviewMessage) -> list[str]:
    """Why no preview shows the message: ``mass/preview`` knows the image message of 2018 alone."""
    if not isinstance(message, ImageMessage) or len(message.images) == 1:
        return []
    number = len(message.images)
    return [f"message.images: a preview shows one picture, and this message has {number}: preview each by itself"]


def is_sent_once(request: MassSendRequest, facts: AccountFacts) -> bool:
    """Whether a message is a draft that WeChat holds, which dies with its first delivery (40007)."""
    news = (one.message for one in request.versions if isinstance(one.message, MpnewsMessage))
    return facts.news_via == "draft" and any(one.media_id for one in news)


def news_calls(request: MassSendRequest, facts: AccountFacts, started_at: datetime) -> dict[str, int] | None:
    """The calls of ``media/uploadnews`` that previews take, by Shanghai day; ``None`` where no batch takes one."""
    made = len(with_articles(request))
    if facts.news_via != "uploadnews" or not made:
        return None
    return {shanghai_day(started_at): made} if request.preview else {}


def of_each(said: list[list[str]]) -> list[str]:
    """What is said of each message, in sentences that name that of a split test's group b."""
    return [f"message_b: {sentence}" if number else sentence for number, one in enumerate(said) for sentence in one]


def warnings(request: MassSendRequest, sources: Sequence[Source], facts: AccountFacts) -> list[str]:
    """A sentence for each reason for which WeChat may refuse the message, and for what it shows otherwise."""
    match request.message:
        case TextMessage(content=content) if (size := len(content.encode())) > TEXT_SURE:
            return [f"message.content: has {size:,} bytes; WeChat may refuse more than {TEXT_SURE:,} (45002)"]
        case WxcardMessage():
            return ["message.msgtype: WeChat sends no cards any more (45113)"]
        case ImageMessage() as message:
            big = [one for one in sources if one.size > PICTURE_SURE and not one.fit]
            return [
                *_of_recommendation(message, facts),
                *(f"{one.place}: has {one.size:,} bytes; WeChat may refuse more than 2 MB (40009)" for one in big),
                *_of_preview(request),
            ]
        case MpnewsMessage() as message:
            articles = message.articles or () if facts.news_via == "draft" else ()
            titles = {f"message.articles[{number}].title": one.title for number, one in enumerate(articles)}
            long = [said for place, title in titles.items() for said in _longer(place, title, TITLE_SURE, 45003)]
            return [*long, *([TEMPORARY] if _is_listed(request) else [])]
        case _:
            return []


def _of_recommendation(message: ImageMessage, facts: AccountFacts) -> list[str]:
    if message.recommend:
        return _longer("message.recommend", message.recommend, RECOMMEND_SURE, 40193)
    if facts.image_via == "image":
        return []
    return [f"message.recommend: there is none, so WeChat adds its own words: {DEFAULT_WORDS}"]


def _of_preview(request: MassSendRequest) -> list[str]:
    lacks = beside_the_picture(request.message) if request.preview else ()
    return [f"preview: shows the picture without {', '.join(lacks)}"] if lacks else []


def _is_listed(request: MassSendRequest) -> bool:
    """Whether it goes out by ``mass/send``."""
    return isinstance(request.audience, Openids) or is_long(request.audience)


def _longer(place: str, words: str, most: int, errcode: int) -> list[str]:
    if len(words) <= most:
        return []
    return [f"{place}: has {len(words):,} characters; WeChat may refuse more than {most} ({errcode})"]


def too_far_ahead(send_at: datetime | None, now: datetime) -> bool:
    """Whether a send is scheduled for more than a year ahead."""
    return send_at is not None and send_at > now + AHEAD_MAX


def of_time(
    request: MassSendRequest, now: datetime, asked: Reschedule, facts: AccountFacts | None = None
) -> str | None:
    """Whether a send, in batches or not, may wait for that time; by the account's hours, too, once it is pinned."""
    if too_far_ahead(asked.send_at, now):
        return f"send_at: is more than {AHEAD_MAX.days} days ahead"
    not_after = request.not_after
    if not_after is not None and asked.send_at >= not_after:
        return f"send_at: must be earlier than not_after, which is {shanghai_clock(not_after)}"
    hours = facts.send_hours if facts else None
    if not_after is not None and hours is not None and asked.send_at >= (end := last_open(not_after, hours)):
        return _CLOSED.format(end=shanghai_clock(end), opens=hours[0], closes=hours[1])
    return None


def not_through(request: MassSendRequest, facts: AccountFacts, ends_at: datetime | None) -> list[str]:
    """A sentence where a send in batches, through at ``ends_at``, is not by the time that the request lets it take."""
    if request.not_after is None or ends_at is None:
        return []
    end = last_open(request.not_after, facts.send_hours)
    if ends_at <= end:
        return []
    until, end_words = shanghai_clock(ends_at), shanghai_clock(end)
    return [f"not_after: the list takes until about {until}; what is left of it at {end_words} is not sent"]


def not_by_itself(
    request: MassSendRequest, facts: AccountFacts, starts: datetime, ends_at: datetime | None
) -> list[str]:
    """A sentence where a list takes more than a day, and its account has no batch wait for the next day's quota."""
    begins = next_opening(starts, facts.send_hours)
    if facts.quota == "wait" or ends_at is None or shanghai_day(begins) == shanghai_day(ends_at):
        return []
    asks = request.on_problem == "wait" and request.on_batch_problem == "stop"
    return [(_ASKS_FOR_QUOTA if asks else _FAILS_BY_QUOTA).format(ends_at=shanghai_clock(ends_at))]


def not_kept(request: MassSendRequest, facts: AccountFacts, now: datetime, until: datetime | None) -> list[str]:
    """A sentence where WeChat may have forgotten ids of the request before it has gone out, which is by ``until``."""
    if until is None or until <= now + LIFETIME:
        return []
    why, given = _DIES.format(until=shanghai_clock(until)), [_given(one.message, facts) for one in request.versions]
    return of_each([[f"{place}: {why}" for place in places] for places in given])


def _given(message: Message, facts: AccountFacts) -> list[str]:
    """Where the message has an id that may be a temporary one: no draft is, nor a cover of one."""
    match message:
        case VoiceMessage(media=MediaUploaded()) | MpvideoMessage(media=MediaUploaded()):
            return ["message.media"]
        case ImageMessage(images=images):
            named = {f"message.images[{number}]": one for number, one in enumerate(images)}
        case MpnewsMessage(articles=articles) if facts.news_via == "uploadnews":
            if articles is None:
                return ["message.media_id"]
            named = {f"message.articles[{number}].thumb": one.thumb for number, one in enumerate(articles)}
        case _:
            return []
    return [place for place, one in named.items() if isinstance(one, MediaUploaded)]


def of_what_a_retry_says(name: str, asked: Retry) -> str | None:
    """Whether a retry says what it must of the problem ``name``, and nothing else."""
    if name == "unknown_outcome" and not asked.confirm_not_delivered:
        return (
            "the message may have been delivered: retry needs confirm_not_delivered (--confirm-not-delivered), after a "
            "look into WeChat's console"
        )
    if asked.confirm_not_delivered and name != "unknown_outcome":
        return f"confirm_not_delivered answers unknown_outcome only; this send waits with {name}"
    if name == "reprint_needs_decision" and not asked.send_ignore_reprint:
        return (
            "WeChat judged it a reprint: retry needs send_ignore_reprint (--send-ignore-reprint), or the same would "
            "happen again"
        )
    if asked.send_ignore_reprint and name != "reprint_needs_decision":
        return f"send_ignore_reprint answers reprint_needs_decision only; this send waits with {name}"
    return None
