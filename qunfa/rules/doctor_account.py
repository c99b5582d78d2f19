"""What ``qunfa doctor`` makes of what a worker, WeChat and the receiver say of an account.

| check | failed | warning | next step |
|---|---|---|---|
| ``account`` | the workers lack it, have another appid, or are silent | other settings; a freeze | log, unfreeze |
| ``own_workflow`` | it is paused, it fails, or nobody polls it | it is on another queue | a worker, or the queue |
| ``token`` | WeChat, or the token service, gives none | – | by WeChat's code |
| ``ip_whitelist`` | a call was refused by it (40164 and its like) | – | the address to put on it |
| ``quota`` | – | a limit is used up, or WeChat does not tell | when there is more |
| ``worker_clock`` | more than 60 s off | more than 5 s off, or not known | NTP |
| ``store`` | it does not do what plans need | – | rights, room, or another server |
| ``callback`` | a step of `qunfa callback check` | plain mode; its way to Temporal could not be checked | that step's |

``quota`` is no failure, as sends wait for the next day by themselves. What needs a token is ``skipped`` without one,
and what needs the worker's answer without that.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from qunfa.contract.checks import CheckAccountResult, Finding, TokenSeen
from qunfa.contract.fields import Stored
from qunfa.contract.ids import WECHAT
from qunfa.contract.limits import Allowance
from qunfa.rules.calendar import shanghai_clock
from qunfa.rules.codes import refused_address, return_code
from qunfa.rules.doctor import DONE, apart, skipped

_WHITELIST: Final = "ip_not_whitelisted"
_CONSOLE: Final = "WeChat's console (设置与开发 → 开发接口管理 → IP白名单)"
_ALLOWED: Final = {"sends": "sends", "sends_to_all": "sends to all", "mass_calls": "calls of sendall and send"}
_STORE: Final = "Give the workers the rights, the room or the server that docs/audiences.md asks for."
_NO_STORE: Final = "Set the uri of [store] if you want to send in batches: docs/audiences.md says how."
_SAME: Final = "Give all parts the same configuration, and start the workers anew."
_WHOLE_DAY: Final = ("00:00", "24:00")
"""What a configuration has where the workers have no ``send_hours``."""
_PLAIN: Final = "mode: plain, so WeChat's signature does not cover what a push says"
_TO_SAFE: Final = "Change to safe mode, here and in WeChat's console: docs/receiver.md tells how to lose no push."
_NEEDS_WORKER: Final = "a worker has to answer for the account first"
_NEEDS_ACCESS: Final = "an access token has to be had first"


class Step(Stored):
    """A step of a callback's check: what was seen, and what to do. `skipped`: an earlier one has to work first."""

    name: Literal["url", "push", "temporal", "wechat"]
    state: Literal["ok", "failed", "skipped"]
    said: str
    todo: str | None = None


def not_answered(account: str, said: str, todo: str) -> list[Finding]:
    """No worker can say anything of the account."""
    return [
        Finding(name="account", account=account, state="failed", said=said, todo=todo),
        *_without_answer(account, _NEEDS_WORKER),
    ]


def not_asked(account: str, why: str) -> list[Finding]:
    """No worker could be asked."""
    return [skipped("account", why, account), *_without_answer(account, why)]


def _without_answer(account: str, why: str) -> Iterable[Finding]:
    return (skipped(name, why, account) for name in ("token", "ip_whitelist", "quota", "worker_clock", "store"))


def not_at_wechat(findings: Iterable[Finding]) -> str | None:
    """Why WeChat cannot be asked more of the account, by its findings so far; ``None`` where it can."""
    fine = {finding.name for finding in findings if finding.state in {"ok", "warning"}}
    if "account" not in fine:
        return _NEEDS_WORKER
    return None if "token" in fine else _NEEDS_ACCESS


def account_findings(found: CheckAccountResult, configured: Mapping[str, object]) -> list[Finding]:
    """All that the worker's answer tells; ``configured`` are the settings that this machine has under the name."""
    return [
        _account(found, configured),
        _token(found),
        _ip_whitelist(found),
        _quota(found),
        _worker_clock(found),
        _store(found),
    ]


def _account(found: CheckAccountResult, configured: Mapping[str, object]) -> Finding:
    appid = configured.get("appid", found.appid)
    if appid != found.appid:
        said = f"the workers have {found.appid} under this name, this configuration has {appid}"
        return Finding(name="account", account=found.account, state="failed", said=said, todo=_SAME)
    said, todos = f"the workers have it as the {found.kind} account {found.appid}", []
    if others := _others(found, configured):
        said = f"the workers run with other settings than this configuration has: {', '.join(others)}"
        todos.append(_SAME)
    elif found.base_url not in {None, WECHAT}:
        said += f", and call {found.base_url} for WeChat"
    if found.frozen is not None:
        said += f"; it is frozen by {found.frozen.by} since {shanghai_clock(found.frozen.at)}: {found.frozen.reason}"
        unfreeze = f"Nothing of it is submitted until: qunfa unfreeze {found.account}"
        todos.append(DONE if found.frozen.of_restore else unfreeze)
    if not todos:
        return Finding(name="account", account=found.account, state="ok", said=said)
    return Finding(name="account", account=found.account, state="warning", said=said, todo=" ".join(todos))


def _others(found: CheckAccountResult, configured: Mapping[str, object]) -> list[str]:
    """The settings of this machine that the workers have otherwise: maybe they were started before a change."""
    terms = {} if found.terms is None else found.terms.model_dump()
    return [name for name, value in terms.items() if name in configured and configured[name] != (value or _WHOLE_DAY)]


def own_workflow_stuck(account: str, workflow_id: str, causes: Sequence[str]) -> Finding:
    """The tasks of the account's own workflow keep failing, for these causes as far as Temporal names them."""
    why = f" ({', '.join(causes)})" if causes else ""
    said = f"the tasks of {workflow_id} keep failing{why}: nothing of the account is submitted until one succeeds"
    return Finding(name="own_workflow", account=account, state="failed", said=said, todo="See workflow_tasks.")


def own_workflow_paused(account: str, workflow_id: str) -> Finding:
    """Somebody has paused the account's own workflow in Temporal."""
    said = f"{workflow_id} is paused in Temporal: nothing of the account is submitted until somebody unpauses it"
    todo = "Unpause it in Temporal (`temporal workflow unpause`)."
    return Finding(name="own_workflow", account=account, state="failed", said=said, todo=todo)


def own_workflow_found(
    account: str, workflow_id: str, queue: str, found: str | None, *, served: bool = True
) -> Finding:
    """The task queue on which the account's own workflow was ``found``, and whether somebody polls that.

    It stays on the one on which it was started; ``None``: there is no such workflow.
    """
    if found is None:
        said = f"it has none yet: the first send starts {workflow_id}"
        return Finding(name="own_workflow", account=account, state="ok", said=said)
    if found == queue:
        said = f"{workflow_id} is on the task queue {queue}"
        return Finding(name="own_workflow", account=account, state="ok", said=said)
    said = f"{workflow_id} is on the task queue {found}, and this configuration names {queue}"
    if served:
        todo = f"Keep a worker on {found}, or name it as the task queue again: without one every send would wait."
        return Finding(name="own_workflow", account=account, state="warning", said=said, todo=todo)
    said = f"{said}: nobody polls {found}, so that every send of the account waits"
    todo = f"Name {found} as the task queue again, or run a worker for it as well (QUNFA_TASK_QUEUE={found})."
    return Finding(name="own_workflow", account=account, state="failed", said=said, todo=todo)


def _token(found: CheckAccountResult) -> Finding:
    token = found.token
    if token.detail is None:
        how = "is still good" if token.source == "classic" else "was had"
        return Finding(name="token", account=found.account, state="ok", said=f"an access token {how} ({token.source})")
    said = f"no access token could be had: {token.detail}"
    if token.errmsg:
        said += f" (WeChat's text: {token.errmsg})"
    return Finding(name="token", account=found.account, state="failed", said=said, todo=_token_todo(token))


def _token_todo(token: TokenSeen) -> str:
    if token.refused == _WHITELIST:
        return "See ip_whitelist."
    if token.refused is not None:
        return "Put the account right (appid, secret, rights, standing) as WeChat says, then start the workers anew."
    if token.source == "a token service":
        return "See that the service which token_source names answers the workers, each account with its own token."
    return "Repeat this in some minutes. If it fails again, see that the workers reach WeChat."


def _ip_whitelist(found: CheckAccountResult) -> Finding:
    account, token = found.account, found.token
    refusals = [token.errmsg] if token.refused == _WHITELIST else []
    refusals += [
        call.errmsg for call in found.calls if call.errcode and return_code(call.errcode).problem == _WHITELIST
    ]
    if refusals:
        address = refused_address(refusals[0])
        said = f"WeChat does not take calls from the worker's address{f' {address}' if address else ''}: {refusals[0]}"
        named = f"Put {address}" if address else "Put the address that WeChat's text names"
        todo = f"{named} on the account's IP whitelist in {_CONSOLE}, and wait some minutes."
        return Finding(name="ip_whitelist", account=account, state="failed", said=said, todo=todo)
    fetched = token.detail is None and token.source == "stable"
    if fetched or any(call.used is not None for call in found.calls):
        said = "WeChat takes calls from the worker that answered; each worker's address has to be on the whitelist"
        return Finding(name="ip_whitelist", account=account, state="ok", said=said)
    return skipped("ip_whitelist", "no call came so far that WeChat looked at the address", account)


def _quota(found: CheckAccountResult) -> Finding:
    account = found.account
    if not found.calls:
        return skipped("quota", _NEEDS_ACCESS, account)
    rows = [row for row in found.allowances if row.name in _ALLOWED]
    silent = [call for call in found.calls if call.used is None]
    said = "; ".join([*map(_left, rows), *([f"sends are not counted: {found.uncounted}"] if found.uncounted else [])])
    if used_up := [row for row in rows if not row.left]:
        until = max(row.renewed_at for row in used_up)
        todo = f"Sends that hit the limit wait, or ask (`quota` of the account); there is more {shanghai_clock(until)}."
        return Finding(name="quota", account=account, state="warning", said=f"used up: {said}", todo=todo)
    if silent or found.uncounted:
        told = [f"WeChat does not tell of {call.cgi_path}: {_why(call.errcode, call.errmsg)}" for call in silent]
        words = "; ".join(filter(None, (said, *told)))
        todo = f"Repeat this, or look at qunfa quota {account}"
        return Finding(name="quota", account=account, state="warning", said=words, todo=todo)
    return Finding(name="quota", account=account, state="ok", said=said)


def _left(row: Allowance) -> str:
    most = "at most " if row.may_be_less else ""
    return f"{most}{row.left:,} of {row.limit:,} {_ALLOWED[row.name]} left this {row.period}"


def _why(errcode: int | None, errmsg: str | None) -> str:
    return " ".join(str(part) for part in (errcode, errmsg) if part is not None) or "no reason was given"


def _worker_clock(found: CheckAccountResult) -> Finding:
    clocks, whose = found.clocks, "the worker's clock"
    ahead = {"Temporal's": clocks.ahead_of_temporal, "WeChat's": clocks.ahead_of_wechat}
    known = {other: seconds for other, seconds in ahead.items() if seconds is not None}
    if not known:
        return Finding(
            name="worker_clock",
            account=found.account,
            state="warning",
            said=f"{whose} could not be read: {clocks.detail}",
            todo="Repeat this. If it fails again, look at the workers' log.",
        )
    finding = apart("worker_clock", known, whose, found.account)
    return finding.model_copy(update={"said": f"{finding.said}; {clocks.detail}"}) if clocks.detail else finding


def _store(found: CheckAccountResult) -> Finding:
    account, store = found.account, found.store
    if store is None:
        return skipped("store", "this worker does not look at it", account)
    if store.detail is not None:
        said = f"the store cannot be used: {store.detail}"
        if store.uri:
            said = f"the store at {store.uri} cannot be used: {store.detail}"
        return Finding(name="store", account=account, state="failed", said=said, todo=_STORE)
    if store.uri is None:
        return skipped("store", "the workers have none, so that sends in batches are refused", account, _NO_STORE)
    said = f"{store.uri} creates once, reads parts, lists and removes"
    return Finding(name="store", account=account, state="ok", said=said)


def callback_found(account: str, steps: Sequence[Step], mode: str | None = None) -> Finding:
    """What the steps of the check of a callback come to: the first that failed, or what could be seen.

    ``mode`` is the one that this machine has configured, where it has one.
    """
    finding = _callback(account, steps)
    if mode != "plain" or finding.state == "failed":
        return finding
    said, todo = f"{finding.said}; {_PLAIN}", " ".join(filter(None, (finding.todo, _TO_SAFE)))
    return finding.model_copy(update={"state": "warning", "said": said, "todo": todo})


def _callback(account: str, steps: Sequence[Step]) -> Finding:
    failed = [step for step in steps if step.state == "failed"]
    if failed:
        said = "; ".join(f"{step.name}: {step.said}" for step in failed)
        return Finding(name="callback", account=account, state="failed", said=said, todo=failed[0].todo)
    seen = [step for step in steps if step.state == "ok"]
    left_out = [step for step in steps if step.state == "skipped"]
    said = "; ".join(f"{step.name}: {step.said}" for step in (*seen, *left_out))
    hint = next((step.todo for step in (*left_out, *seen) if step.todo), None)
    if not seen:
        return skipped("callback", said, account, hint)
    state = "warning" if any(step.todo for step in left_out) else "ok"
    return Finding.model_validate({"name": "callback", "account": account, "state": state, "said": said, "todo": hint})
