"""What can be looked at before a send: `qunfa preview`, and `qunfa send --dry-run`; and previews in words."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from qunfa.cli import typed
from qunfa.cli.connection import demand_worker, in_doubt, task_queue, with_client
from qunfa.cli.errors import ExitCode, Refused, WrongUse, done_if
from qunfa.cli.message import bytes_words, contents, heading, message_of, uri_words
from qunfa.cli.output import SHANGHAI, facts, note, plain, short, show_result, table
from qunfa.cli.request import NO_GROUP_B, Request, advised, messages, read_request, recipients, summary, times
from qunfa.cli.workers import InvalidError, Question, answer_of, begin, terminated
from qunfa.contract import InvalidRequestError
from qunfa.contract.audience import Version, describe
from qunfa.contract.batches import AudiencePlan, PlannedPart
from qunfa.contract.checks import CheckResult
from qunfa.contract.ids import CHECK_MASS_SEND, PREVIEW_MASS_SEND, check_id, preview_id
from qunfa.contract.message import Source
from qunfa.contract.prospect import Effect, StartWould
from qunfa.contract.request import MassSendRequest, Previewed, PreviewRequest, PreviewResult, parse_preview
from qunfa.language import N_, _, listed, sentences, several
from qunfa.language.phrases import told, told_whole
from qunfa.markdown import plain as escaped
from qunfa.rules.evidence import evidence_words
from qunfa.temporal.connection import workflow_link

_ADVICE = {
    "account: is missing": N_("say --account NAME"),
    "message: is missing": N_("say --text, --html, --image, --video or --voice, or give a file that holds the message"),
    "to: is missing": N_("say --to OPENID or --to-wxname NAME"),
}


def preview(asked: typed.Preview) -> ExitCode:
    """Carry out `qunfa preview`."""
    overrides = {
        "account": asked.account,
        "key": asked.key,
        "message": message_of(asked.message),
        "to": recipients(asked.to, asked.to_wxname),
        "fit_images": asked.message.fit_images,
    }
    raw = _raw(asked.file, {name: value for name, value in overrides.items() if value is not None}, asked.group)
    result = with_client(_preview, raw, _parsed(raw), task_queue(asked.queue))
    show_result(result, lambda result: render_previews(result.previews), as_json=asked.as_json)
    return done_if(all(one.sent for one in result.previews))


def _raw(file: str | None, given: dict[str, Any], group: Version) -> Any:
    read = {} if file is None else read_request(file)
    if not isinstance(read, dict):
        return read
    is_split = read.get("message_b") is not None
    if group == "b" and not is_split:
        raise WrongUse(_(NO_GROUP_B))
    if group == "a" and is_split and "message" not in given:
        note(_("This shows the message of group a alone. Add --group b to show that of group b."))
    if "audience" in read:
        read = _of_a_mass_send(read, group)
    key = f"preview-{datetime.now(SHANGHAI):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    return {"key": key, **read, **given}


def _of_a_mass_send(read: dict[str, Any], group: Version) -> dict[str, Any]:
    """What a preview takes of a mass send's request; of a split test, of this group. The key stays the send's own."""
    if "to" in read:
        raise WrongUse(_("The file has both audience and to: it is neither a mass send's request nor a preview's."))
    wanted = read.get("preview")
    to = {"to": wanted["to"]} if isinstance(wanted, dict) and "to" in wanted else {}
    if group == "b":
        read = read | {"message": read["message_b"]}
    return {name: read[name] for name in ("account", "message", "fit_images") if name in read} | to


def _parsed(raw: Any) -> PreviewRequest:
    try:
        return parse_preview(raw)
    except InvalidRequestError as error:
        raise InvalidRequestError(advised(error.problems, _ADVICE)) from None


async def _preview(client: Client, raw: dict[str, Any], request: PreviewRequest, queue: str) -> PreviewResult:
    await demand_worker(client, queue)
    workflow_id = preview_id(request.account, request.key)
    summary = f"Preview of **{escaped(request.account)}**: {escaped(heading(request.message))}"
    question = Question(PREVIEW_MASS_SEND, workflow_id, raw, summary)
    doubt = _("Previews may have been shown, of the 100 a day: {where} tells which.")
    where = workflow_link(client, workflow_id) or _("the workflow {workflow_id}").format(workflow_id=workflow_id)
    try:
        with in_doubt(doubt.format(where=where)):
            return await answer_of(client, begin(client, question, PreviewResult, queue))
    except WorkflowAlreadyStartedError:
        sentence = _("{workflow_id} runs already: wait for it, or choose another --key.")
        raise Refused(sentence.format(workflow_id=workflow_id)) from None
    except InvalidError as error:
        raise Refused(_("Nothing was previewed: {said}").format(said=told(error.said))) from None


def show_check(request: Request, found: CheckResult, *, as_json: bool) -> ExitCode:
    """Print what was found; answers with the exit code."""
    show_result(found, partial(render_check, request.parsed), as_json=as_json)
    return done_if(not found.problems)


async def check(client: Client, request: Request, queue: str) -> CheckResult:
    """What would be sent to how many, and what stands against it. A newer check ends an older one of the same key."""
    parsed = request.parsed
    await demand_worker(client, queue)
    workflow_id = check_id(parsed.account, parsed.key)
    question = Question(CHECK_MASS_SEND, workflow_id, request.raw, f"Dry run: {summary(parsed)}", replaces=True)
    try:
        starting = begin(client, question, CheckResult, queue)
        return await answer_of(client, starting, terminated("the dry run was interrupted"))
    except InvalidError as error:
        return CheckResult(
            account=parsed.account,
            key=parsed.key,
            msgtype=parsed.message.msgtype,
            audience=describe(parsed.audience),
            problems=tuple(error.problems),
        )


def render_check(request: MassSendRequest, found: CheckResult) -> RenderableType:
    """What would be sent to how many, each file, what stands against it, and what a start would meet."""
    parts: list[RenderableType] = [_title(found), facts(_facts(request, found))]
    if found.sources:
        headings = (_("use"), _("format"), _("size"), "", _("file"), _("place"))
        parts += ["", table(headings, map(_file, found.sources), wrapped=headings[4:])]
    seen = {N_("key"): found.past, N_("approval"): found.approval, N_("freeze"): found.freeze, N_("quota"): found.quota}
    if rows := [(_(name), told(one.said), told(one.then)) for name, one in seen.items() if one is not None]:
        said = (_("as it is now"), _("what that does to this send"))
        parts += ["", table(("", *said), rows, wrapped=said)]
    if found.problems or found.warnings:
        parts += ["", *(plain(f"- {told(sentence)}") for sentence in (*found.problems, *found.warnings))]
    dry = _("This was a dry run: nothing was sent, and nothing was uploaded.")
    return Group(*parts, plain("\n" + sentences(_verdict(found), dry)))


def _otherwise(found: CheckResult) -> str | None:
    """What a start would do instead of just sending it; `None` where it would, as far as is known."""
    if found.past is not None and found.past.start != "send":
        expires = found.past.start == "give_result" and found.past.outcome == "expired"
        return _(_EFFECTS["expires"] if expires else _STARTS[found.past.start])
    effects = {one.effect for one in (found.approval, found.freeze, found.quota) if one is not None}
    return next((_(word) for effect, word in _EFFECTS.items() if effect in effects), None)


_STARTS: dict[StartWould, str] = {
    "try_again": N_("would be tried again"),
    "go_on": N_("would go on"),
    "await_result": N_("would await its result"),
    "give_result": N_("would end as before"),
    "ask": N_("would ask an operator"),
    "follow": N_("runs already"),
    "be_refused": N_("would be refused"),
    "unknown": N_("not known"),
}
_EFFECTS: dict[Effect, str] = {
    "fails": N_("would fail"),
    "expires": N_("would expire"),
    "asks": N_("would ask an operator"),
    "waits": N_("would wait"),
}


def _title(found: CheckResult) -> Text:
    problems, otherwise = len(found.problems), _otherwise(found)
    if otherwise is None and found.warnings:
        otherwise = _("with warnings")
    word = (_("ready"), "bold green") if otherwise is None else (otherwise, "bold yellow")
    if problems:
        word = (several("{number:,} problem", "{number:,} problems", problems).format(number=problems), "bold red")
    return Text.assemble((f"{found.account}/{found.key}", "bold"), "  ", word)


def _verdict(found: CheckResult) -> str:
    if found.problems:
        return _("It cannot be sent like this.")
    if found.past is not None and found.past.start == "unknown":
        return _("The request is right. What a start would do is not known.")
    if _otherwise(found) is not None:
        return _("The request is right, but a start would not just send it.")
    return _("A start takes it: mind the warnings.") if found.warnings else _("Nothing stands against it.")


def _facts(request: MassSendRequest, found: CheckResult) -> Iterator[tuple[str, str]]:
    for label, message in messages(request):
        yield label, told_whole(heading(message))
        if not found.sources:
            for line in contents(message):
                yield "", line
    yield from times(request)
    yield _("audience"), told(found.audience) if found.plan else _audience(found)
    if found.plan is not None:
        yield from plan_facts(found.plan, found.ends_at)
    for number, removed in enumerate(found.removed):
        yield "" if number else _("taken out"), told(removed)


def _audience(found: CheckResult) -> str:
    if found.followers is None:
        told_audience = told(found.audience)
        if not found.uncounted:
            return told_audience
        return _("{audience}; how many is not known: {why}").format(audience=told_audience, why=told(found.uncounted))
    if found.audience.endswith("openids"):
        return told(found.audience)
    if found.audience.endswith("followers"):
        sentence = _("{audience}: {followers:,}, by WeChat's count")
        return sentence.format(audience=told(found.audience), followers=found.followers)
    said = _("{audience}: {followers:,} followers, by WeChat's count")
    return said.format(audience=told(found.audience), followers=found.followers)


def _file(one: Source) -> tuple[str, ...]:
    fit = _("is re-encoded to fit") if one.fit else ""
    return one.use, one.kind, bytes_words(one.size), fit, uri_words(one.uri), one.place


def render_previews(previews: Sequence[Previewed]) -> RenderableType:
    """One row per recipient, in order."""
    rows = ((one.to, _word(one), one.msg_id, _note(one)) for one in previews)
    return table((_("preview to"), "", "msg_id", _("note")), rows, wrapped=(_("note"),))


def _word(one: Previewed) -> str:
    if one.sent:
        return _("sent")
    return _("NOT KNOWN") if one.perhaps else _("NOT sent")


def preview_line(one: Previewed) -> str:
    if one.sent:
        said = _("previewed to {to}: {said}") if one.without else _("previewed to {to}")
    else:
        said = _("perhaps previewed to {to}: {said}") if one.perhaps else _("no preview to {to}: {said}")
    return said.format(to=one.to, said=_note(one))


def _note(one: Previewed) -> str | None:
    """WeChat's words, or what happened instead of an answer; of what was sent, what it was sent without."""
    if one.sent:
        return _("shown without {fields}").format(fields=listed(one.without)) if one.without else None
    if one.errcode is None:
        return told(one.errmsg or "") or _("no reason was given")
    return evidence_words(one.errcode, one.errmsg, one.rid)


_OFTEN: Final = 4
"""So many messages a follower gets in a month; WeChat leaves out whoever had them."""


def size_words(plan: AudiencePlan) -> str:
    """How many openids, and in how many batches."""
    batches = several("{number:,} batch", "{number:,} batches", plan.batches).format(number=plan.batches)
    return _("{openids:,} openids in {batches}").format(openids=plan.openids, batches=batches)


def plan_facts(plan: AudiencePlan, ends_at: datetime | None = None) -> Iterator[tuple[str, str]]:
    """What a plan says: label and words; `ends_at`: when it will be through."""
    yield _("in batches"), size_words(plan)
    for number, group in enumerate(plan.groups):
        batches = several("{number:,} batch", "{number:,} batches", group.batches).format(number=group.batches)
        words = _("group {name}: {openids:,} openids in {batches}")
        said = words.format(name=group.name, openids=group.openids, batches=batches)
        yield "" if number else _("split test"), said
    calls = several("{number:,} call of mass/send", "{number:,} calls of mass/send", plan.batches)
    sentence = _("{calls}, of 100 a day; one of the 4 messages that each follower gets in a month")
    yield _("takes"), sentence.format(calls=calls.format(number=plan.batches))
    if ends_at is not None:
        yield _("through at"), short(ends_at)
    if len(plan.parts) > 1 or plan.dropped:
        for label, is_excluded in ((_("parts"), False), (_("excluded"), True)):
            for number, part in enumerate(one for one in plan.parts if one.is_excluded == is_excluded):
                yield "" if number else label, _part(part)
    if plan.duplicates:
        named = _("{duplicates:,} were named more than once; each gets it once")
        yield _("duplicates"), named.format(duplicates=plan.duplicates)
    if plan.dropped:
        yield _("left out"), _("{dropped:,} lines, since they are no openids").format(dropped=plan.dropped)
    if any(plan.reached_before[1:]):
        yield _("this month"), _before(plan.reached_before)
    yield _("as of"), short(plan.taken_at)


def _part(part: PlannedPart) -> str:
    dropped = ""
    if part.dropped:
        bad = _("; {dropped:,} lines of it are no openids and exclude nobody")
        dropped = (bad if part.is_excluded else _(", {dropped:,} lines left out")).format(dropped=part.dropped)
    words = _("{openids:,} of {what}{dropped}")
    return words.format(openids=part.openids, what=told(part.what), dropped=dropped)


def _before(reached: tuple[int, ...]) -> str:
    """How many had how many sends in batches before, by our own reports."""
    exactly, more = _("{number:,} had {times}"), _("{number:,} had {times} or more")
    had = [(times, number, more if times >= _OFTEN else exactly) for times, number in enumerate(reached) if number]
    counted = listed(said.format(number=number, times=times) for times, number, said in had)
    return _("{counted} sends in batches before, by our reports").format(counted=counted)
