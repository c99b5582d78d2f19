"""message/mass/sendall, send and get.

The checks come in this order: rights of the account, rate, message, recipients, clientmsgid, material, quota. So a
repetition of the send that used the last of the day's quota is a duplicate (45065), not a send too many (45028).
"""

from __future__ import annotations

from hashlib import sha256

from qunfa.simulator.accounts import Account
from qunfa.simulator.calls import Call
from qunfa.simulator.content import Message, parse_message, resolve
from qunfa.simulator.endpoint import Answer, Endpoint
from qunfa.simulator.errors import Refusal
from qunfa.simulator.followers import Chosen
from qunfa.simulator.jobs import Audience, Job, whole_number
from qunfa.simulator.rights import check_mass_right
from qunfa.simulator.world import World

ACCEPTED = "send job submission success"
_LEAST_OPENIDS = 2


async def _sendall(world: World, call: Call) -> Answer:
    body = call.json()
    _check_account(world, call.owner)
    message = parse_message(body, call.owner.config, 40008)
    return await _submit(world, call, body, message, _filtered(call.owner, body))


async def _send(world: World, call: Call) -> Answer:
    body = call.json()
    if call.owner.config.kind == "subscription":
        raise Refusal(48001)
    _check_account(world, call.owner)
    message = parse_message(body, call.owner.config, 45162)
    return await _submit(world, call, body, message, _listed(call.owner, body))


async def _get(world: World, call: Call) -> Answer:
    msg_id = whole_number(call.json().get("msg_id"))
    job = world.jobs.get(msg_id) if msg_id is not None else None
    if job is None or job.account is not call.owner:
        raise Refusal(40059)
    if world.clock.now() < job.accepted_at + world.clock.span(world.config.timing.unknown):
        raise Refusal(40059)
    answer = call.owner.config.confirmation_answer
    if job.confirmation == "waiting" and answer != "SENDING":
        raise Refusal(answer)
    return {"msg_id": job.msg_id, "msg_status": job.msg_status}


def _check_account(world: World, account: Account) -> None:
    if not account.config.verified:
        raise Refusal(48001)
    account.mass_rate.take(world.clock.now())


def _filtered(account: Account, body: dict[str, object]) -> Audience:
    given = body.get("filter")
    if not isinstance(given, dict):
        raise Refusal(41011)
    if given.get("is_to_all") is True:
        return Audience("all", account.everybody(), to_all=True)
    tag_id = whole_number(given.get("tag_id"))
    members = account.tagged(tag_id) if tag_id is not None else None
    if members is None:
        raise Refusal(40152)
    return Audience(f"tag:{tag_id}", members)


def _listed(account: Account, body: dict[str, object]) -> Audience:
    given = body.get("touser")
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise Refusal(40031)
    if len(given) > account.config.limits.openids:
        raise Refusal(40032)
    numbers = [account.number_of(item) for item in given]
    if None in numbers and account.config.invalid_openids == "reject":
        raise Refusal(40003)
    members = Chosen(number for number in numbers if number is not None)
    if len(members) < _LEAST_OPENIDS:
        raise Refusal(40130)
    return Audience("openids", members)


async def _submit(world: World, call: Call, body: Answer, message: Message, audience: Audience) -> Answer:
    account, now = call.owner, world.clock.now()
    clientmsgid = _clientmsgid(account, body)
    key = f"id:{clientmsgid}" if clientmsgid else _digest(account, message, audience)
    account.clientmsgids.check(key, now)
    content = resolve(message, account.library, now)
    account.calls.check("mass", world.clock.day())
    check_mass_right(account.config, world.jobs.of(account.name), now, to_all=audience.to_all)
    job = Job(
        msg_id=world.msg_ids.msg_id(to_all=audience.to_all),
        msg_data_id=world.msg_ids.msg_data_id(),
        account=account,
        clientmsgid=clientmsgid,
        content=content,
        audience=audience,
        ignore_reprint=str(body.get("send_ignore_reprint")) in {"1", "True"},
        accepted_at=now,
        plan=world.take_job_plan(account, clientmsgid),
        confirmation="waiting" if audience.to_all and account.config.admin_confirmation else "not_needed",
    )
    call.job = job
    call.entry = account.clientmsgids.remember(key, job, explicit=clientmsgid is not None)
    world.launch(job)
    if job.plan.before_response:
        await world.until(lambda: job.pushed.is_set() or world.closing.is_set(), within=None)
    return {"errcode": 0, "errmsg": ACCEPTED, "msg_id": job.msg_id, "msg_data_id": job.msg_data_id}


def _clientmsgid(account: Account, body: dict[str, object]) -> str | None:
    given = body.get("clientmsgid")
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given.encode()) > account.config.limits.clientmsgid:
        raise Refusal(45067)
    return given


def _digest(account: Account, message: Message, audience: Audience) -> str:
    if account.config.default_clientmsgid == "content":
        return f"digest:{message.digest}"
    members = ",".join(map(str, audience.members)) if audience.label == "openids" else audience.label
    return f"digest:{message.digest}:{sha256(members.encode()).hexdigest()}"


ENDPOINTS = (
    Endpoint("/cgi-bin/message/mass/sendall", "POST", _sendall, "mass", late_quota=True, media_type="text/plain"),
    Endpoint("/cgi-bin/message/mass/send", "POST", _send, "mass", late_quota=True, media_type="text/plain"),
    Endpoint("/cgi-bin/message/mass/get", "POST", _get, "mass/get", media_type="text/plain"),
)
