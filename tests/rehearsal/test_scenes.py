"""The scenes: what operators meet before, at and after a submission. Each one's docstring is the rule that it shows."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowHandle

from qunfa.contract import MassSendResult
from tests.rehearsal.act import Act

pytestmark = pytest.mark.long

WHY = ("--by", "li", "--reason", "looked")
ADDRESS = "127.0.0.1"
LISTED = 25_000
HOUR_SECONDS = 3600


def _in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")


async def test_approval(act: Act) -> None:
    """Who has asked for a send cannot approve it; somebody else can, and sees what goes out."""
    scene, send = act.scene, "approval/spring"
    act.does("crm starts a send that needs approval")
    handle = await scene.start(approval={"required": True}, requested_by="crm")
    await scene.until(handle, lambda status: status.phase == "awaiting_approval")
    shown = (await act.types("status", send)).stdout
    act.sees("the text and the audience", when="to all followers" in shown and "spring: 你好" in shown)
    await act.is_refused("approve", send, "--by", "crm", because="somebody else has to approve it")
    act.sees("no call that submits", when=not scene.tries)
    await act.types("approve", send, "--by", "wang")
    await act.ends(handle, "sent")
    await act.everyone_received()


async def test_pause(act: Act) -> None:
    """A paused send keeps still, also when its time has come, and goes on where it stood."""
    scene, send = act.scene, "pause/spring"
    act.does("crm starts a send for an hour later")
    handle = await scene.start(send_at=_in_an_hour())
    await scene.waits(handle, "send_at")
    await act.types("pause", send, "--by", "li", "--reason", "wrong picture?")
    await scene.until(handle, lambda status: status.phase == "paused")
    await act.types("reschedule", send, "--now", "--by", "li")
    act.sees("paused, though it is due", when=(await scene.status(handle)).phase == "paused" and not scene.tries)
    await act.types("resume", send, "--by", "li")
    await act.ends(handle, "sent")
    await act.everyone_received()


async def test_freeze(act: Act) -> None:
    """A try in flight goes on to its verdict; the next send waits, and goes out after the unfreeze."""
    scene = act.scene
    scene.plan(before_response=True, delay=HOUR_SECONDS)
    act.does("crm starts a send, and WeChat takes its time")
    first = await scene.start("first")
    await scene.tried()
    said = (await act.types("freeze", scene.appid, "--by", "li", "--reason", "wrong price")).stdout
    act.sees("the send in flight is named", when="first" in said)
    scene.sim.world.clock.advance(HOUR_SECONDS)
    act.does("crm starts another one")
    second = await scene.start("second")
    await scene.waits(second, "frozen by li: wrong price")
    await act.ends(first, "sent")
    act.sees("the other one waits, frozen by li: wrong price", when=len(scene.tries) == 1)
    await act.types("unfreeze", scene.appid, "--by", "li")
    await act.ends(second, "sent")
    await act.everyone_received(2)


async def test_abort(act: Act) -> None:
    """A send that nothing was tried for is aborted; one that was accepted can only be recalled."""
    scene = act.scene
    await scene.simulate(admin_confirmation=True)
    act.does("crm starts a send for an hour later")
    later = await scene.start("later", send_at=_in_an_hour())
    await scene.waits(later, "send_at")
    await act.types("abort", "abort/later", "--by", "li", "--reason", "sold out")
    result = await act.ends(later, "aborted")
    act.sees("nothing can have been delivered", when=not result.may_have_been_delivered)
    await act.nobody_received()
    act.does("crm starts one for now, and WeChat waits for the administrator")
    now = await scene.start("now")
    status = await scene.until(now, lambda status: status.phase == "awaiting_result")
    await act.is_refused(
        *("abort", "abort/now", "--by", "li", "--reason", "sold out"),
        because=f"already accepted as msg_id {status.jobs[0].msg_id}; a delivered send can only be recalled",
    )
    act.does("the administrator confirms")
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    await act.ends(now, "sent")
    await act.everyone_received()


async def test_reprint(act: Act) -> None:
    """Nobody has it; the same again is refused; sent as a reprint it is a second generation."""
    scene, send = act.scene, "reprint/spring"
    next(scene.problem("reprint_needs_decision"))
    act.does("crm starts a send, and WeChat judges it a reprint")
    handle = await scene.start()
    await _asks(act, handle, "reprint_needs_decision")
    act.sees("nobody received anything", when=not await scene.received())
    await act.is_refused("retry", send, *WHY, because="retry needs send_ignore_reprint")
    await act.types("retry", send, "--send-ignore-reprint", *WHY)
    result = await act.ends(handle, "sent")
    states = [(job.generation, job.state) for job in result.jobs]
    act.sees("two generations, the first one failed", when=states == [(0, "failed"), (1, "sent")])
    await act.everyone_received()


async def test_whitelist(act: Act) -> None:
    """40164 names the address; once it is on the whitelist, a retry sends in the same generation."""
    scene, send = act.scene, "whitelist/spring"
    await scene.simulate(ip_whitelist=["203.0.113.7"])
    act.does("crm starts a send, and WeChat refuses the worker's address")
    handle = await scene.start()
    await _asks(act, handle, "ip_not_whitelisted")
    shown = (await act.types("status", send)).stdout
    act.sees(f"40164, invalid ip {ADDRESS}", when="40164" in shown and f"invalid ip {ADDRESS}" in shown)
    act.does("the address is put on the whitelist")
    scene.simulated.config = scene.simulated.config.model_copy(update={"ip_whitelist": (ADDRESS,)})
    await act.types("retry", send, *WHY)
    result = await act.ends(handle, "sent")
    act.sees("one generation", when=[job.generation for job in result.jobs] == [0])
    await act.everyone_received()


async def test_silence(act: Act) -> None:
    """Nobody confirms in 30 minutes (scaled): nobody has it; after a retry they are asked again."""
    scene, send = act.scene, "silence/spring"
    await scene.simulate(admin_confirmation=True, confirmation=1800)
    act.does("crm starts a send, and the administrator does not answer")
    handle = await scene.start()
    await _asks(act, handle, "admin_timeout")
    act.sees("nobody received anything", when=not await scene.received())
    await act.types("retry", send, *WHY)
    await scene.accepted(2)
    act.does("the administrator confirms")
    scene.sim.world.decide(scene.simulated, "confirmed", None)
    result = await act.ends(handle, "sent")
    states = [(job.generation, job.state) for job in result.jobs]
    act.sees("two generations, the first one failed", when=states == [(0, "failed"), (1, "sent")])
    await act.everyone_received()


async def test_unknown(act: Act) -> None:
    """No answer comes back or is found: a person looks, marks it as sent, and nothing is repeated."""
    scene, send = act.scene, "unknown/spring"
    faults = scene.problem("unknown_outcome")
    next(faults)
    act.does("crm starts a send; WeChat accepts it, and no answer ever comes back")
    handle = await scene.start()
    [job] = await scene.accepted()
    next(faults)
    status = await _asks(act, handle, "unknown_outcome")
    act.sees("retry, mark_sent or abort", when=status == ("retry", "mark_sent", "abort"))
    await act.is_refused("retry", send, *WHY, because="may have been delivered: retry needs confirm_not_delivered")
    tries = len(scene.tries)
    await act.types("mark-sent", send, "--msg-id", str(job.msg_id), *WHY)
    result = await act.ends(handle, "sent")
    act.sees("WeChat's push on that msg_id counted", when=[one.msg_id for one in result.jobs] == [job.msg_id])
    act.sees("nothing was submitted again", when=len(scene.tries) == tries and len(scene.jobs) == 1)
    await act.everyone_received()


async def test_batches(act: Act) -> None:
    """A list goes out batch by batch; one that is given up stops the rest, until a person lets them go on."""
    scene, send = act.scene, "batches/spring"
    await scene.simulate(followers=LISTED)
    openids = "".join(f"{openid}\n" for openid in scene.openids(LISTED))
    scene.plan()
    next(scene.problem("content_refused"))
    act.does(f"crm starts a send to a file of {LISTED:,} openids; WeChat refuses the content of the second batch")
    who = {"kind": "openid_file", "uri": scene.file("who.txt", openids.encode())}
    handle = await scene.start(audience=who)
    await _asks(act, handle, "content_refused")
    shown = (await act.types("status", send)).stdout
    act.sees("batch 2, and the bar", when=f"2: qunfa status {send}.2" in shown and "[###-------] 1/3" in shown)
    await act.types("abort", f"{send}.2", *WHY)
    await scene.until(handle, lambda status: status.problem and status.problem.name == "batch_failed")
    act.sees("needs an operator: batch_failed", when=len(scene.jobs) == 2)
    await act.types("resume", send, "--by", "li")
    await act.ends(handle, "partly_sent")
    rows = [line.split()[:2] for line in (await act.types("report", send)).stdout.splitlines()]
    sent, left = f"{LISTED - LISTED // 3:,}", f"{LISTED // 3:,}"
    told = ["sent", sent] in rows and ["failed", left] in rows
    act.sees(f"{sent} sent, {left} failed", when=told)
    received = await scene.received()
    once = len(received) == LISTED - LISTED // 3 and set(received.values()) == {1}
    act.sees(f"{sent} followers received 1 message each, and {left} none", when=once)


async def test_split(act: Act) -> None:
    """Two groups get a message each; the rest gets the one that a person chooses, and nothing before."""
    scene, send = act.scene, "split/spring"
    await scene.simulate(followers=LISTED)
    openids = "".join(f"{openid}\n" for openid in scene.openids(LISTED))
    act.does(f"crm starts a split test with a file of {LISTED:,} openids: 10 % get one message, 10 % another one")
    who = {"kind": "openid_file", "uri": scene.file("who.txt", openids.encode())}
    other = {"msgtype": "text", "content": "春装到了"}
    handle = await scene.start(audience=who, split={"a": 10, "b": 10}, message_b=other)
    await _asks(act, handle, "winner_not_chosen")
    tested = await scene.received()
    act.sees("a fifth received 1 message each", when=0.15 < len(tested) / LISTED < 0.25 and {*tested.values()} == {1})
    shown = (await act.types("status", send)).stdout
    act.sees("how many each group reached", when="Group a has" in shown and "Group b has" in shown)
    await act.types("choose", send, "--winner", "b", "--by", "li")
    await act.ends(handle, "sent")
    once = await scene.received() == dict.fromkeys(range(LISTED), 1)
    texts = [job.content.text == other["content"] for job in scene.jobs]
    act.sees("the rest received the message of group b, and nobody two", when=once and not texts[0] and all(texts[1:]))


async def _asks(act: Act, handle: WorkflowHandle[object, MassSendResult], problem: str) -> tuple[str, ...]:
    """The answers that fit, once the send asks an operator about this problem."""
    status = await act.scene.asks(handle, problem)
    act.sees(f"needs an operator: {problem}", when=status.phase == "needs_operator")
    return status.answers


async def test_recall(act: Act) -> None:
    """One article of two goes, the other one stays, and so do the cards in the followers' chats."""
    scene = act.scene
    act.does("crm sends two articles")
    handle = await scene.start(message=scene.news("<p>0</p>", "<p>1</p>"))
    result = await act.ends(handle, "sent")
    [job] = scene.jobs
    act.sees("two articles stand", when=len(job.article_urls) == 2 and not job.deleted)
    said = await act.types(
        *("recall", str(result.jobs[0].msg_id), "--article", "2"), *("--by", "li", "--reason", "wrong price", "--yes")
    )
    act.sees("delivered cards stay visible", when="stay visible" in said.stdout)
    act.sees("article 2 is gone, article 1 stands", when=set(job.deleted) == {2})
    act.sees("the send is still sent", when=(await act.scene.status(handle)).jobs[0].state == "sent")
    await act.everyone_received()
