"""Scenes in which WeChat says no, or nothing: reprint, whitelist, the administrator, a lost answer."""

from temporalio.client import WorkflowHandle

from qunfa.contract import MassSendResult
from tests.rehearsal.act import Act

WHY = ("--by", "li", "--reason", "looked")
ADDRESS = "127.0.0.1"


async def reprint(act: Act) -> None:
    """Nobody has it; the same again is refused; sent as a reprint it is a second generation."""
    scene, send = act.scene, "reprint/spring"
    scene.plan(reprint="allowed")
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


async def whitelist(act: Act) -> None:
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


async def silence(act: Act) -> None:
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


async def unknown(act: Act) -> None:
    """No answer comes back or is found: a person looks, marks it as sent, and nothing is repeated."""
    scene, send = act.scene, "unknown/spring"
    scene.fault("timeout_after_accept", seconds=2)
    act.does("crm starts a send; WeChat accepts it, and no answer ever comes back")
    handle = await scene.start()
    [job] = await scene.accepted()
    scene.fault("reset_before_accept", times=None)
    status = await _asks(act, handle, "unknown_outcome")
    act.sees("retry, mark_sent or abort", when=status == ("retry", "mark_sent", "abort"))
    await act.is_refused("retry", send, *WHY, because="may have been delivered: retry needs confirm_not_delivered")
    tries = len(scene.tries)
    await act.types("mark-sent", send, "--msg-id", str(job.msg_id), *WHY)
    result = await act.ends(handle, "sent")
    act.sees("WeChat's push on that msg_id counted", when=[one.msg_id for one in result.jobs] == [job.msg_id])
    act.sees("nothing was submitted again", when=len(scene.tries) == tries and len(scene.jobs) == 1)
    await act.everyone_received()


async def _asks(act: Act, handle: WorkflowHandle[object, MassSendResult], problem: str) -> tuple[str, ...]:
    """The answers that fit, once the send asks an operator about this problem."""
    status = await act.scene.asks(handle, problem)
    act.sees(f"needs an operator: {problem}", when=status.phase == "needs_operator")
    return status.answers
