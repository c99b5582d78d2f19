"""The activities that make material, as workflows call them; each is repeated by Temporal until it has an answer."""

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from qunfa.contract import steps
    from qunfa.contract.ledger import PreviewsLeft
    from qunfa.contract.ledger_steps import TAKE_PREVIEW, TakePreviewStep
    from qunfa.contract.material import Inspection, Made, Source, Uploaded
    from qunfa.contract.message import SourcedMessage
    from qunfa.contract.preview import Previewed, PreviewMessage, PreviewRecipient
    from qunfa.contract.steps import (
        AccountFacts,
        CheckDraftStep,
        ConvertStep,
        DraftFinding,
        DraftStep,
        InspectStep,
        PictureOf,
        PreviewStep,
        UploadStep,
    )
    from qunfa.printable import printable
    from qunfa.rules.material import CheckDraft, Convert, MakeDraft

_PATIENT: Final = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5))
_ONCE: Final = RetryPolicy(maximum_attempts=1)
_LONG: Final = timedelta(minutes=15)
_SHORT: Final = timedelta(minutes=2)


def inspect(facts: AccountFacts, message: SourcedMessage, *, fit_images: bool) -> "workflow.ActivityHandle[Inspection]":
    """Read, hash and check every source of the message."""
    return workflow.start_activity(
        steps.INSPECT,
        InspectStep(account=facts.pinned, message=message, news_via=facts.news_via, fit_images=fit_images),
        result_type=Inspection,
        start_to_close_timeout=_LONG,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary="look at the material",
    )


def upload(facts: AccountFacts, source: Source) -> "workflow.ActivityHandle[Uploaded]":
    """Upload one file, if it still is what it was."""
    return workflow.start_activity(
        steps.UPLOAD,
        UploadStep(account=facts.pinned, source=source),
        result_type=Uploaded,
        start_to_close_timeout=_LONG,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary=f"upload {source.place} as {source.use}",
    )


def make(facts: AccountFacts, work: MakeDraft | Convert, title: str, description: str) -> Any:
    """Make the one id that is sent: a draft, or a converted video (which has a title and a description).

    It is repeated as rarely as a submission: each call whose answer is lost may have left a draft in WeChat's console.
    """
    rarely = RetryPolicy(initial_interval=facts.timing.repeat, maximum_interval=facts.timing.repeat_max)
    if isinstance(work, Convert):
        name, summary = steps.CONVERT_VIDEO, printable(f"convert the video {work.media_id}")
        step: Any = ConvertStep(account=facts.pinned, media_id=work.media_id, title=title, description=description)
    else:
        name, summary = steps.MAKE_DRAFT, f"make a draft of {len(work.articles)} article(s)"
        pictures = tuple(PictureOf(uri=uri, url=url) for uri, url in work.pictures)
        step = DraftStep(
            account=facts.pinned,
            articles=work.articles,
            covers=work.covers,
            pictures=pictures,
            news_via=facts.news_via,
        )
    return workflow.start_activity(
        name,
        step,
        result_type=Made,
        start_to_close_timeout=_SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=rarely,
        summary=summary,
    )


def check_draft(facts: AccountFacts, work: CheckDraft) -> "workflow.ActivityHandle[DraftFinding]":
    """Ask WeChat whether the draft still has all of its pictures."""
    return workflow.start_activity(
        steps.CHECK_DRAFT,
        CheckDraftStep(account=facts.pinned, media_id=work.made.media_id, pictures=work.made.pictures),
        result_type=DraftFinding,
        start_to_close_timeout=_SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary="draft/get: are all pictures there?",
    )


def take_preview(facts: AccountFacts, holder: str) -> "workflow.ActivityHandle[PreviewsLeft]":
    """One of the account's previews of today, from its ledger."""
    return workflow.start_activity(
        TAKE_PREVIEW,
        TakePreviewStep(appid=facts.appid, holder=holder),
        result_type=PreviewsLeft,
        start_to_close_timeout=_SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_PATIENT,
        summary="take one of today's previews",
    )


def preview(facts: AccountFacts, to: PreviewRecipient, message: PreviewMessage) -> "workflow.ActivityHandle[Previewed]":
    """One preview to one person; it is not repeated where nobody knows whether it went out."""
    return workflow.start_activity(
        steps.PREVIEW,
        PreviewStep(account=facts.pinned, to=to, message=message, image_via=facts.image_via),
        result_type=Previewed,
        start_to_close_timeout=_SHORT,
        heartbeat_timeout=facts.timing.heartbeat,
        retry_policy=_ONCE,
        summary=printable(f"preview to {to.name}"),
    )
