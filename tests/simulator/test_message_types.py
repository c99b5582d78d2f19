import hashlib

import pytest

from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, article, message, named

PREVIEW = "message/mass/preview"
pytestmark = pytest.mark.usefixtures("still")

SLOW: Json = {"timing": {"delivery": 10}}


def sha256(file: bytes) -> str:
    return hashlib.sha256(file).hexdigest()


@pytest.mark.parametrize(
    ("msgtype", "good"),
    [
        ("mpnews", {"draft", "news"}), ("voice", {"voice"}), ("image", {"image", "lasting image"}),
        ("mpvideo", {"converted"}),
    ],
    ids=["mpnews", "voice", "image", "mpvideo"],
)  # fmt: skip
async def test_each_type_takes_its_own_kind_of_id(start: Start, msgtype: str, good: set[str]) -> None:
    """A media_id of another kind answers 40007, in sendall, in send and in previews."""
    api = await start(sim=SLOW)
    files = {"image": samples.PNG, "voice": samples.amr(1), "video": samples.MP4, "thumb": samples.JPG}
    ids = {kind: await api.media_id(kind, file) for kind, file in files.items()}
    ids["lasting image"] = await api.media_id("image", samples.PNG, permanent=True)
    ids |= {"draft": await api.draft(), "converted": await api.film(), "news": (await api.news())["media_id"]}
    for kind, media_id in ids.items():
        content = named(msgtype, media_id)
        to_tag = await api.sendalls(f"t-{kind}", content=content)
        to_two = await api.code("message/mass/send", content | {"touser": api.openids(7, 8), "clientmsgid": kind})
        expected = 0 if kind in good else 40007
        assert (kind, *to_tag, to_two, await api.previewed(content)) == (kind, expected, expected, expected)


async def test_news_are_delivered_as_they_were_accepted(api: Api) -> None:
    """The job has the articles with final content, cover and pictures by their bytes; the event has their URLs.

    A URL of WeChat's is known by https and with its & escaped; one that was not uploaded here has no bytes.
    """
    url = await api.picture(samples.PNG)
    secure = url.replace("http:", "https:").replace("&", "&amp;")
    own = f'<img src="{url}"><b style="background:url({secure})"></b><img src="http://mmbiz.qpic.cn/else/0">'
    content = f'<p>Hi{own}<img src="https://example.com/a.png"></p>'
    media_id = await api.draft(article(title="One", content=content, author="Li"), article(title="Two"))
    job = await api.sent(named("mpnews", media_id))
    one, two = job.content.articles
    assert (one.title, one.author, two.title) == ("One", "Li", "Two")
    assert one.content == f"<p>Hi{own}</p>"
    assert [picture.sha256 for picture in one.pictures] == [sha256(samples.PNG), sha256(samples.PNG), ""]
    assert one.thumb.sha256 == sha256(samples.JPG)
    assert len(set(job.article_urls)) == 2
    [push] = api.inbox.pushes
    items = [push.text(f"ArticleUrlResult/ResultList/item[{n}]/ArticleUrl") for n in (1, 2)]
    assert (push.text("ArticleUrlResult/Count"), items) == ("2", list(job.article_urls))
    assert push.text("CopyrightCheckResult/CheckState") == "1"
    told = await api.sim(f"content?msg_id={job.msg_id}")
    assert [each["title"] for each in told["articles"]] == ["One", "Two"]
    assert told["articles"][0]["pictures"][0]["file"]["sha256"] == sha256(samples.PNG)
    assert told["articles"][0]["dropped"] == ["https://example.com/a.png"]


async def test_a_draft_dies_with_its_successful_send(start: Start) -> None:
    """At the end of the job, not at its acceptance: its id answers 40007 afterwards to whoever names it.

    A repetition answers 45065 all the same: clientmsgids come before material.
    """
    api = await start(sim=SLOW)
    media_id = await api.draft()
    content, draft = named("mpnews", media_id), {"media_id": media_id}
    await api.sendall(content, clientmsgid="job-1")
    assert await api.code("draft/get", draft) == 0
    await api.finish(61)
    assert await api.sendalls("job-1", "job-2", content=content) == [45065, 40007]
    assert await api.previewed(content) == 40007
    assert await api.code("draft/get", draft) == 40007


@pytest.mark.parametrize(
    "plan", [{"status": "err(20001)"}, {"status": "send fail"}, {"reprint": "allowed"}, {"job_status": "SEND_FAIL"}]
)
async def test_a_draft_survives_a_send_that_fails(api: Api, plan: Json) -> None:
    """A refused job leaves the draft as it was; it can be sent again. A plan may leave the URLs of articles out."""
    media_id = await api.draft()
    await api.plan(**plan)
    await api.plan(article_urls=[])
    failed = await api.sent(named("mpnews", media_id), clientmsgid="a")
    assert (failed.state, failed.article_urls) == ("failed", ())
    assert await api.code("draft/get", {"media_id": media_id}) == 0
    done = await api.sent(named("mpnews", media_id), clientmsgid="b")
    assert (done.state, done.article_urls) == ("done", ())
    assert api.inbox.pushes[-1].text("ArticleUrlResult/Count") == "0"


@pytest.mark.parametrize("msgtype", ["mpvideo", "video"])
async def test_a_send_may_name_the_video_anew(api: Api, msgtype: str) -> None:
    """Title and description in mpvideo win over those of the conversion; the msgtype may be video."""
    branch = {"media_id": await api.film(title="Film"), "title": "Other", "description": "Words"}
    answer = await api.call("message/mass/send", {"msgtype": msgtype, "mpvideo": branch, "touser": api.openids(0, 1)})
    content = api.job(answer).content
    assert (content.msgtype, content.title, content.description) == ("mpvideo", "Other", "Words")


async def test_the_ledger_knows_the_same_message_under_other_ids(api: Api) -> None:
    """What was uploaded and drafted anew is the same to a follower, but for another title, or another picture."""
    sent = [("Spring", samples.PNG)] * 2 + [("Summer", samples.PNG), ("Spring", samples.JPG)]
    for n, (title, file) in enumerate(sent):
        content = f'<img src="{(await api.picture(file)).replace("&", "&amp;")}">'
        await api.sent(named("mpnews", await api.draft(article(title=title, content=content))), clientmsgid=f"{n}")
    first, second, *others = api.world.jobs
    assert first.content.digest == second.content.digest
    assert len({job.content.digest for job in (first, *others)}) == 3
    [duplicate] = api.world.ledger.duplicates(api.demo)
    assert duplicate.jobs == (first, second)


async def test_jobs_and_followers_tell_type_and_title(api: Api) -> None:
    """The admin endpoints say what a follower received."""
    job = await api.sent(named("mpnews", await api.draft(article(title="One"), article(title="Two"))))
    await api.sent("words", clientmsgid="b")
    received = (await api.sim(f"ledger/followers?openid={api.openids(0)[0]}"))["received"]
    assert [each["content"] for each in received] == [
        {"msgtype": "mpnews", "digest": job.content.digest, "text": None, "titles": ["One", "Two"]},
        {"msgtype": "text", "digest": received[1]["content"]["digest"], "text": "words", "titles": []},
    ]
    assert received[0]["article_urls"] == list(job.article_urls)


async def test_a_preview_is_shown_to_one_follower_and_to_nobody_else(start: Start) -> None:
    """It is in the ledger as a preview: no delivery, no job, no event, no clientmsgid, no day, no draft used up."""
    api = await start(kind="subscription")
    answer = await api.call(PREVIEW, message() | {"touser": api.openids(7)[0]})
    assert answer == {"errcode": 0, "errmsg": "preview success"}
    [shown] = api.world.ledger.previews(api.demo)
    assert (shown.follower, shown.content.text) == (7, "hello")
    assert (len(api.world.jobs), sum(api.world.ledger.counts(api.demo)), api.inbox.pushes) == (0, 0, [])
    follower = await api.sim(f"ledger/followers?openid={api.openids(7)[0]}")
    assert (follower["count"], follower["this_month"], follower["received"]) == (0, 0, [])
    [told] = (await api.sim("previews"))["previews"]
    assert (told["account"], told["openid"], told["content"]["msgtype"]) == ("demo", api.openids(7)[0], "text")
    content = named("mpnews", await api.draft())
    assert await api.previewed(content | {"clientmsgid": "job-1"}) == 0
    assert (await api.sent(content, clientmsgid="job-1")).state == "done"


async def test_a_preview_may_go_to_a_wechat_id(start: Start) -> None:
    """`towxname` wins over `touser`. As a setting the answer has a msg_id, since sources differ; it is no job's."""
    api = await start(wxnames={"boss": 3}, preview_msg_id=True)
    answer = await api.call(PREVIEW, message() | {"towxname": "boss", "touser": api.openids(0)[0]})
    assert answer.keys() == {"errcode", "errmsg", "msg_id"}
    assert (await api.status(answer["msg_id"]))["errcode"] == 40059
    assert [each.follower for each in api.world.ledger.previews(api.demo)] == [3]
