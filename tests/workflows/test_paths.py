"""The paths of a send, each once on Temporal: what WeChat and people say, how it ends, and the history of it.

That the decisions are right is shown for all orders by `tests/send` and `tests/simulation`.
"""

from datetime import timedelta
from typing import Any, Final

import pytest

from qunfa.contract.steps import Timing
from qunfa.rules.material import FRESH
from tests.workflows.conftest import Desk
from tests.workflows.model import accepts, dies, loses, says, silent
from tests.workflows.model_material import NEWS, VIDEO, VOICE, busy
from tests.workflows.model_material import refused as denied
from tests.workflows.playing import (
    THE_JOB,
    Act,
    Path,
    asks,
    cancel,
    comes,
    frozen,
    material,
    passes,
    polled,
    pushed,
    refused,
    scripted,
    story,
    tag,
    told_late,
    update,
    waits,
    wechat,
)

pytestmark = pytest.mark.long

NO: Final = "err(30001)"
PROBLEM: Final = "originality_check_error"
APPROVAL: Final = {"approval": {"required": True}, "requested_by": "crm"}
IMAGES: Final = {"msgtype": "image", "images": [{"uri": "file:/a.png"}, {"media_id": "c"}, {"uri": "file:/b.png"}]}
CLIP: Final = "file:/clip.mp4"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OLD_IN_ITS_TURN: Final = FRESH + MINUTE
"""Fresh when a send that is due then asks for its turn."""


def short_memory() -> Act:

    async def act(play: Any) -> None:
        play.wechat.facts = play.wechat.facts.model_copy(update={"timing": Timing(window=HOUR)})

    return act


ANSWERED: Final[dict[str, Path]] = {
    "a send that is to ask nobody fails": Path(script=(says(48001),), request={"on_problem": "fail"}, ends="failed"),
    "a late lease is no try": Path(set_up=(wechat(late=True),), tries=1),
    "retry of an unknown outcome needs a confirmation": Path(
        set_up=(short_memory(),),
        script=(silent, *[says(45028)] * 60),
        acts=(
            asks("unknown_outcome"),
            refused("retry", "confirm_not_delivered"),
            scripted(),
            update("retry", confirm_not_delivered=True),
        ),
        jobs="failed sent",
        ids=2,
    ),
    "mark_sent takes a msg_id that wechat knows": Path(
        set_up=(short_memory(),),
        script=(loses, *[says(45028)] * 60),
        acts=(
            asks("unknown_outcome"),
            refused("mark_sent", "does not know", msg_id=THE_JOB),
            polled("SEND_SUCCESS"),
            update("mark_sent", msg_id=THE_JOB),
        ),
        jobs="sent",
    ),
    "a tag that is not as expected asks before submission": Path(
        request={"audience": {"kind": "tag", "tag_id": 2, "expect": {"name": "VIP", "max": 50}}},
        set_up=(tag("VIP", 51),),
        acts=(asks("audience_changed"), tag("VIP", 50), update("retry")),
        tries=1,
    ),
}
AWAITED: Final[dict[str, Path]] = {
    "a push ends the asking": Path(
        push=None, acts=(comes("awaiting_result"), passes(5 * HOUR), waits("mass/get"), pushed()), observed_by="push"
    ),
    "retry of a missing verdict asks again and submits nothing": Path(
        push=None, acts=(asks("no_verdict"), polled("SEND_SUCCESS"), update("retry")), tries=1
    ),
    "a retry needs a no of wechat": Path(
        push="err(40002)",
        acts=(
            asks("admin_timeout"),
            polled(None),
            wechat(refuses_status=89504),
            refused("retry", "89504"),
            wechat(statuses_fail=True),
            refused("retry", "could not be asked about msg_id"),
            wechat(statuses_fail=False),
            polled("SEND_FAIL"),
            scripted(),
            update("retry"),
        ),
        tries=2,
    ),
    "a yes of mass_get ends the send that was to be retried": Path(
        push=NO, acts=(asks(PROBLEM), polled("SEND_SUCCESS"), refused("retry", "SEND_SUCCESS")), observed_by="poll"
    ),
    "an end while a try may come through is unknown": Path(
        script=(silent, accepts), push=NO, acts=(asks(PROBLEM), update("abort")), ends="unknown", again="unknown"
    ),
    "a push on a job that only the ledger knows ends the question": Path(
        script=(dies, *[silent] * 60),
        request={"not_after": 2 * HOUR},
        acts=(asks("unknown_outcome"), told_late(), pushed()),
    ),
}
HELD: Final[dict[str, Path]] = {
    "nothing is submitted before somebody else approves": Path(
        set_up=(tag("VIP", 1234),),
        request={**APPROVAL, "audience": {"kind": "tag", "tag_id": 2}},
        acts=(
            comes("awaiting_approval"),
            refused("approve", "CRM has asked for this send, and somebody else has to approve it", by="CRM "),
            update("approve"),
        ),
        tries=1,
    ),
    "a rejected send ends as rejected": Path(
        request=APPROVAL, acts=(comes("awaiting_approval"), update("reject", by="crm")), ends="rejected", tries=0
    ),
    "preview approval and send time come in this order": Path(
        request={**APPROVAL, "preview": {"to": [{"openid": "boss"}]}, "send_at": 20 * HOUR},
        acts=(comes("awaiting_approval"), update("approve"), comes("scheduled")),
        goes=(20 * HOUR, 21 * HOUR),
    ),
    "a paused send waits for its resume": Path(
        request={"send_at": 2 * HOUR},
        acts=(
            comes("scheduled"),
            update("pause"),
            comes("paused"),
            passes(5 * HOUR),
            refused("pause", "paused by li already", by="wang"),
            update("resume", by="wang"),
        ),
        goes=(5 * HOUR, DAY),
    ),
    "a rescheduled send goes out at its new time": Path(
        request={"send_at": 2 * DAY},
        acts=(
            comes("scheduled"),
            update("reschedule", send_at=3 * DAY),
            update("pause"),
            comes("paused"),
            update("reschedule", send_at=-DAY),
            update("resume"),
        ),
        goes=(timedelta(0), DAY),
    ),
    "a scheduled send is cancelled": Path(
        request={"send_at": 10 * HOUR}, acts=(comes("scheduled"), cancel()), ends="cancelled", tries=0
    ),
    "not_after expires before submission": Path(
        set_up=(frozen(),), request={"not_after": HOUR}, ends="expired", tries=0
    ),
    "a cancellation during or after a try goes on to the verdict": Path(
        push=None, acts=(comes("awaiting_result"), waits("push"), cancel(), story("cancellation"), pushed())
    ),
    "what may have been delivered goes on": Path(
        script=(loses, *[says(45028)] * 4),
        push=None,
        acts=(waits("the next try"), refused("abort", "recall it"), cancel(), story("cancellation noted"), pushed()),
    ),
}
MADE: Final[dict[str, Path]] = {
    "pictures keep their order": Path(request={"message": IMAGES}, made="inspect upload upload"),
    "material that is wrong is an invalid request": Path(
        set_up=(material(problems=("message.images[0]: is 11 MB", "message.images[2]: is no picture")),),
        request={"message": IMAGES},
        ends="refused",
        made="inspect",
    ),
    "a refused file is told while another one is repeated": Path(
        set_up=(material(refusals={"upload": [denied(40164), *[busy()] * 50]}),),
        request={"message": IMAGES},
        acts=(comes("needs_operator"), asks("ip_not_whitelisted"), material(refusals={}), update("retry")),
        made="inspect upload upload",
        goes=(MINUTE, 5 * MINUTE),
    ),
    "a send that waited uploads again": Path(
        request={"message": VIDEO, "send_at": 3 * DAY}, made="inspect upload convert upload convert"
    ),
    "material that would be old in the turn is made before": Path(
        request={"message": VIDEO, "send_at": OLD_IN_ITS_TURN},
        made="inspect upload convert upload convert",
        goes=(OLD_IN_ITS_TURN, OLD_IN_ITS_TURN + MINUTE),
    ),
    "material that wechat no longer knows is made anew once": Path(
        script=(says(40007), says(40007)),
        request={"message": NEWS},
        acts=(asks("media_refused"), update("retry")),
        tries=3,
        ids=1,
    ),
    "a source that changed is not sent": Path(
        request={"message": VIDEO, "send_at": 3 * DAY},
        acts=(
            comes("scheduled"),
            material(files={CLIP: "another clip"}),
            asks("source_changed"),
            material(files={}),
            update("retry"),
        ),
    ),
    "a draft that lost pictures is not sent": Path(
        set_up=(material(lost=[("article 1: https://mmbiz.qpic.cn/picture-2",)]),),
        request={"message": NEWS},
        acts=(asks("pictures_lost"), update("retry")),
        tries=1,
    ),
    "a send can be aborted while its material is made": Path(
        set_up=(material(refusals={"upload": [busy()] * 50}),),
        request={"message": VOICE},
        acts=(waits("upload"), update("abort")),
        ends="aborted",
    ),
    "previews go out before the submission": Path(
        request={"message": VOICE, "preview": {"to": [{"openid": "boss"}, {"openid": "blocked"}, {"wxname": "li"}]}},
        made="inspect upload",
    ),
}
PATHS: Final = {**ANSWERED, **AWAITED, **HELD, **MADE}


@pytest.mark.history(by_row=True)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_a_send_goes_its_path_to_its_end(desk: Desk, path: Path) -> None:
    """Of each only what Temporal has to do with it: commands, updates and their validators, timers, what is carried."""
    await path.play(desk)
