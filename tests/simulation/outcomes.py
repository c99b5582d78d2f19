"""What the effects of a send come to: what WeChat, and the files of a message, have to say."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from qunfa.contract.message import Material, Source, Uploaded
from qunfa.contract.request import Previewed
from qunfa.contract.result import Problem
from qunfa.rules.material import Ready, next_work, outstanding, with_upload
from qunfa.rules.problems import PROBLEMS
from qunfa.send import events, steps
from qunfa.send.state import SendState

if TYPE_CHECKING:
    from tests.simulation.sends import Send

SPENT: Final = 5
"""Where a story has a multiple of so many lines, it is a quota that stands against the material."""
FOUND: Final = Material(
    sources=(Source(place="message.media", uri="file:/srv/a.mp3", use="voice", sha256="a" * 64, size=1),)
)
"""What a look at the one file of a message finds."""


def making(send: "Send", state: SendState, until: datetime) -> list[events.Event]:
    """What comes of the material: WeChat takes the file, or not; or the file is another one."""
    random, now, material = send.world.random, send.world.now, state.material or FOUND
    if random.random() < 0.2:
        name = random.choice(["media_refused", "source_changed"])
        return [_obstructed("quota_exhausted" if len(send.world.story) % SPENT == 0 else name)]
    for one in outstanding(material, until):
        name = f"{send.key}-{len(send.world.story)}"
        material = with_upload(material, Uploaded(use=one.use, sha256=one.sha256, media_id=name, made_at=now))
    work = next_work(send.request.message, material, send.facts.news_via, until)
    assert isinstance(work, Ready), work
    made: Any = work.message
    return [events.Kept(material), events.Made(made)]


def outcome(send: "Send", effect: steps.Effect) -> events.Event:
    """What an effect comes to now."""
    wechat, random, now = send.account.wechat, send.world.random, send.world.now
    match effect:
        case steps.Poll(msg_id):
            return events.Polled(msg_id, _heard_of(send, msg_id, wechat.verdict(msg_id, now)))
        case steps.AskWechat(msg_id):
            return events.WechatSaid(msg_id, wechat.said(msg_id, now))
        case steps.SendWish() if send.sent is not None:
            return send.sent
        case steps.Preview(number):
            return events.WasPreviewed(Previewed(to=f"o{number}", sent=random.random() < 0.8))
        case steps.Show(told):
            return events.Shown(("text: 你好", *told, "to all followers"))
        case steps.LookAtTag() if random.random() < 0.8:
            return events.TagSeen()
        case steps.LookAtTag():
            return _obstructed("audience_changed")
        case _:
            raise AssertionError(effect)


def _heard_of(send: "Send", msg_id: int, status: str | None) -> str | None:
    if status is not None:
        send.world.judge.hears(send.key, msg_id)
    return status


def _obstructed(name: str) -> events.Obstructed:
    choice = PROBLEMS[name]
    return events.Obstructed(Problem(name=name, sentence=choice.sentence, todo=choice.todo))
