import hashlib

import pytest

from tests.simulator import samples
from tests.simulator.api import Api, Json, Start, article, message, named


def sha256(file: bytes) -> str:
    """The digest of a file, in hex."""
    return hashlib.sha256(file).hexdigest()


async def material(api: Api) -> dict[str, str]:
    """One media_id of every kind."""
    ids = {
        "image": await api.media_id("image", samples.PNG),
        "lasting image": await api.media_id("image", samples.PNG, permanent=True),
        "voice": await api.media_id("voice", samples.amr(1)),
        "lasting voice": await api.media_id("voice", samples.mp3(1), permanent=True),
        "video": await api.media_id("video", samples.MP4),
        "thumb": await api.media_id("thumb", samples.JPG),
        "draft": await api.draft(),
    }
    cover = {"articles": [article(thumb_media_id=ids["thumb"])]}
    ids["news"] = (await api.call("media/uploadnews", cover))["media_id"]
    ids["converted"] = (await api.call("media/uploadvideo", {"media_id": ids["video"]}))["media_id"]
    return ids


@pytest.mark.parametrize(
    ("msgtype", "good"),
    [
        ("mpnews", {"draft", "news"}),
        ("voice", {"voice", "lasting voice"}),
        ("image", {"image", "lasting image"}),
        ("mpvideo", {"converted"}),
    ],
)
async def test_each_type_takes_its_own_kind_of_id(start: Start, msgtype: str, good: set[str]) -> None:
    """A media_id of another kind answers 40007, in sendall and in send."""
    api = await start(sim={"timing": {"delivery": 10}})
    ids = await material(api)
    for kind, media_id in ids.items():
        content = named(msgtype, media_id)
        to_tag = await api.sendall_of(content, clientmsgid=f"t-{kind}")
        to_two = await api.call("message/mass/send", content | {"touser": api.openids(7, 8), "clientmsgid": kind})
        expected = 0 if kind in good else 40007
        assert (kind, to_tag["errcode"], to_two["errcode"]) == (kind, expected, expected)


async def test_news_are_delivered_as_they_were_accepted(start: Start) -> None:
    """The job has the articles with final content, cover and pictures by their bytes; the event has their URLs."""
    api = await start()
    url = await api.picture(samples.PNG)
    content = f'<p>Hi<img src="{url}"><img src="https://example.com/a.png"></p>'
    media_id = await api.draft(article(title="One", content=content, author="Li"), article(title="Two"))
    job = await api.delivered(named("mpnews", media_id))
    one, two = job.content.articles
    assert (one.title, one.author, two.title) == ("One", "Li", "Two")
    assert one.content == f'<p>Hi<img src="{url}"></p>'
    assert [picture.sha256 for picture in one.pictures] == [sha256(samples.PNG)]
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


async def test_the_urls_of_articles_may_be_missing(start: Start) -> None:
    """As users report it: a plan leaves ArticleUrlResult empty."""
    api = await start()
    await api.plan(article_urls=[])
    job = await api.delivered(named("mpnews", await api.draft()))
    assert job.article_urls == ()
    assert api.inbox.pushes[0].text("ArticleUrlResult/Count") == "0"


async def test_a_draft_dies_with_its_successful_send(start: Start) -> None:
    """Its id answers 40007 afterwards to a send, a preview, draft/get and draft/delete."""
    api = await start()
    media_id = await api.draft()
    content = named("mpnews", media_id)
    await api.delivered(content)
    assert (await api.sendall_of(content, clientmsgid="again"))["errcode"] == 40007
    assert await api.code("message/mass/preview", content | {"touser": api.openids(0)[0]}) == 40007
    assert await api.code("draft/get", {"media_id": media_id}) == 40007
    assert await api.code("draft/delete", {"media_id": media_id}) == 40007
    assert await api.call("draft/count") == {"total_count": 0}


async def test_a_draft_lives_while_its_send_is_under_way(start: Start) -> None:
    """It dies at the end of the job, not at its acceptance."""
    api = await start(sim={"timing": {"delivery": 10}})
    media_id = await api.draft()
    await api.sendall_of(named("mpnews", media_id))
    assert await api.code("draft/get", {"media_id": media_id}) == 0
    await api.advance(10)
    await api.world.settled()
    assert await api.code("draft/get", {"media_id": media_id}) == 40007


@pytest.mark.parametrize(
    "plan", [{"status": "err(20001)"}, {"status": "send fail"}, {"reprint": "allowed"}, {"job_status": "SEND_FAIL"}]
)
async def test_a_draft_survives_a_send_that_fails(start: Start, plan: Json) -> None:
    """A refused job leaves the draft as it was; it can be sent again."""
    api = await start()
    media_id = await api.draft()
    await api.plan(**plan)
    failed = await api.delivered(named("mpnews", media_id), clientmsgid="a")
    assert (failed.state, failed.article_urls) == ("failed", ())
    assert await api.code("draft/get", {"media_id": media_id}) == 0
    assert (await api.delivered(named("mpnews", media_id), clientmsgid="b")).state == "done"


async def test_what_was_accepted_is_delivered_although_the_draft_is_deleted(start: Start) -> None:
    """A job keeps the articles it was accepted with."""
    api = await start(sim={"timing": {"delivery": 10}})
    media_id = await api.draft()
    answer = await api.sendall_of(named("mpnews", media_id))
    await api.call("draft/delete", {"media_id": media_id})
    await api.advance(10)
    await api.world.settled()
    job = api.world.jobs.get(answer["msg_id"])
    assert job is not None
    assert (job.state, job.content.articles[0].title) == ("done", "Spring")
    assert job.content.source is not None
    assert job.content.source.ended == "deleted"


async def test_several_images_are_delivered_in_their_order(start: Start) -> None:
    """`images.media_ids` under msgtype image, with recommendation and comment flags; a default recommendation."""
    api = await start()
    files = [samples.PNG, samples.JPG, samples.GIF]
    media_ids = [await api.media_id("image", file) for file in files]
    images: Json = {"media_ids": media_ids, "recommend": "Look", "need_open_comment": 1, "only_fans_can_comment": 1}
    job = await api.delivered({"msgtype": "image", "images": images}, clientmsgid="a")
    content = job.content
    assert [each.sha256 for each in content.media] == [sha256(file) for file in files]
    assert (content.recommend, content.need_open_comment, content.only_fans_can_comment) == ("Look", 1, 1)
    plain = await api.delivered({"msgtype": "image", "images": {"media_ids": media_ids[:1]}}, clientmsgid="b")
    assert plain.content.recommend == "分享图片"


@pytest.mark.parametrize(
    ("images", "errcode"),
    [
        ({"media_ids": []}, 41026),
        ({}, 41026),
        ({"media_ids": "x"}, 41026),
        ({"media_ids": ["image"] * 20}, 0),
        ({"media_ids": ["image"] * 21}, 40215),
        ({"media_ids": ["image", "voice"]}, 40007),
        ({"media_ids": ["image", None]}, 40007),
        ({"media_ids": ["image"], "recommend": "荐" * 140}, 0),
        ({"media_ids": ["image"], "recommend": "荐" * 141}, 40193),
        ({"media_ids": ["image"], "recommend": ["x"]}, 40194),
        ({"media_ids": ["image"], "need_open_comment": 1}, 88000),
    ],
)
async def test_images_must_fit(start: Start, images: Json, errcode: int) -> None:
    """The codes of a list that is missing, too long or of wrong ids, of the recommendation and of comments."""
    api = await start(comments=False)
    ids = {"image": await api.media_id("image", samples.PNG), "voice": await api.media_id("voice", samples.amr(1))}
    given = images.get("media_ids")
    if isinstance(given, list):
        images = images | {"media_ids": [ids.get(each, each) for each in given]}
    assert (await api.sendall_of({"msgtype": "image", "images": images}))["errcode"] == errcode


async def test_voices_and_videos_are_delivered_by_their_bytes(start: Start) -> None:
    """A test can tell what followers got; a video has title and description of its conversion."""
    api = await start()
    voice = await api.delivered(named("voice", await api.media_id("voice", samples.mp3(1))))
    assert [each.sha256 for each in voice.content.media] == [sha256(samples.mp3(1))]
    words = {"media_id": await api.media_id("video", samples.MP4), "title": "Film", "description": "Of spring"}
    converted = (await api.call("media/uploadvideo", words))["media_id"]
    video = await api.delivered(named("mpvideo", converted))
    assert [each.sha256 for each in video.content.media] == [sha256(samples.MP4)]
    assert (video.content.title, video.content.description) == ("Film", "Of spring")


@pytest.mark.parametrize("msgtype", ["mpvideo", "video"])
async def test_a_send_may_name_the_video_anew(start: Start, msgtype: str) -> None:
    """Title and description in mpvideo win over those of the conversion; the msgtype may be video."""
    api = await start()
    words = {"media_id": await api.media_id("video", samples.MP4), "title": "Film"}
    converted = (await api.call("media/uploadvideo", words))["media_id"]
    branch = {"media_id": converted, "title": "Other", "description": "Words"}
    answer = await api.call("message/mass/send", {"msgtype": msgtype, "mpvideo": branch, "touser": api.openids(0, 1)})
    job = api.world.jobs.get(answer["msg_id"])
    assert job is not None
    assert (job.content.msgtype, job.content.title, job.content.description) == ("mpvideo", "Other", "Words")


async def test_cards_are_refused_unless_allowed(start: Start) -> None:
    """45113 as WeChat answers today; a setting lets them through; 41011 without a card_id."""
    card: Json = {"msgtype": "wxcard", "wxcard": {"card_id": "c1"}}
    api = await start()
    assert (await api.sendall_of(card))["errcode"] == 45113
    api = await start(cards=True)
    assert (await api.sendall_of({"msgtype": "wxcard", "wxcard": {}}))["errcode"] == 41011
    assert (await api.delivered(card)).content.card_id == "c1"


async def test_a_dead_id_does_not_hide_a_duplicate(start: Start) -> None:
    """A repetition answers 45065 though its draft died with the first: clientmsgids come before material."""
    api = await start()
    content = named("mpnews", await api.draft())
    job = await api.delivered(content, clientmsgid="job-1")
    await api.advance(61)
    again = await api.sendall_of(content, clientmsgid="job-1")
    assert (again["errcode"], again["msg_id"]) == (45065, job.msg_id)
    assert (await api.sendall_of(content, clientmsgid="job-2"))["errcode"] == 40007


async def test_the_ledger_knows_the_same_message_under_other_ids(start: Start) -> None:
    """What was uploaded and drafted anew is the same to a follower: a double delivery is found."""
    api = await start()
    for n, title in enumerate(["Spring", "Spring", "Summer"]):
        url = await api.picture(samples.PNG)
        content = f'<img src="{url.replace("&", "&amp;")}">'
        media_id = await api.draft(article(title=title, content=content))
        await api.delivered(named("mpnews", media_id), clientmsgid=f"{n}")
    first, second, third = api.world.jobs
    assert first.content.digest == second.content.digest != third.content.digest
    [duplicate] = api.world.ledger.duplicates(api.world.accounts["demo"])
    assert duplicate.jobs == (first, second)


async def test_another_picture_makes_another_message(start: Start) -> None:
    """Articles that differ only in the bytes of a picture are not the same."""
    api = await start()
    digests = set()
    for n, file in enumerate([samples.PNG, samples.JPG]):
        media_id = await api.draft(article(content=f'<img src="{await api.picture(file)}">'))
        digests.add((await api.delivered(named("mpnews", media_id), clientmsgid=f"{n}")).content.digest)
    assert len(digests) == 2


async def test_jobs_and_followers_tell_type_and_title(start: Start) -> None:
    """The admin endpoints say what a follower received."""
    api = await start()
    job = await api.delivered(named("mpnews", await api.draft(article(title="One"), article(title="Two"))))
    await api.delivered(message("words"), clientmsgid="b")
    received = (await api.sim(f"ledger/followers?openid={api.openids(0)[0]}"))["received"]
    assert [each["content"] for each in received] == [
        {"msgtype": "mpnews", "digest": job.content.digest, "text": None, "titles": ["One", "Two"]},
        {"msgtype": "text", "digest": received[1]["content"]["digest"], "text": "words", "titles": []},
    ]
    assert received[0]["article_urls"] == list(job.article_urls)
    await api.sim("content?msg_id=1", expect=404)
    await api.sim("content?msg_id=x", expect=404)
