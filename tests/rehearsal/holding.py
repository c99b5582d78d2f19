"""Scenes before anything is submitted: approval, pause, freeze, abort."""

from datetime import UTC, datetime, timedelta

from tests.rehearsal.act import Act


def _in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")


async def approval(act: Act) -> None:
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


async def pause(act: Act) -> None:
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


async def freeze(act: Act) -> None:
    """A try in flight goes on to its verdict; the next send waits, and goes out after the unfreeze."""
    scene = act.scene
    scene.fault("slow", seconds=3)
    act.does("crm starts a send, and WeChat takes its time")
    first = await scene.start("first")
    await scene.tried()
    said = (await act.types("freeze", scene.appid, "--by", "li", "--reason", "wrong price")).stdout
    act.sees("the send in flight is named", when="first" in said)
    act.does("crm starts another one")
    second = await scene.start("second")
    await scene.waits(second, "frozen by li: wrong price")
    await act.ends(first, "sent")
    act.sees("the other one waits, frozen by li: wrong price", when=len(scene.tries) == 1)
    await act.types("unfreeze", scene.appid, "--by", "li")
    await act.ends(second, "sent")
    await act.everyone_received(2)


async def abort(act: Act) -> None:
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
