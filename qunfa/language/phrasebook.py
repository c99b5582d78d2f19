"""The sentences with variables that others make for people, as they stand in the source of whoever makes them.

`{name}` stands for any text. What :data:`TOLD` names is a sentence itself, and is translated like one. A test compares
this table with the source: a sentence that is changed there is changed here.
"""

import re
from typing import Final

from qunfa.language import N_
from qunfa.language.doctor_phrases import OF_ACCOUNT, OF_TEMPORAL
from qunfa.language.request_phrases import COMMAND_LINE, REQUESTS

TOLD: Final = frozenset(
    {"said", "sentence", "why", "doubt", "more", "word", "about", "who", "whom", "counted", "whose", "pollers"}
)
"""The variables that hold a sentence, or a part of one, which is translated as well."""

NAMES: Final = frozenset({"phase", "outcome", "state", "kind", "use"})
"""The variables that hold the name of a state or of a use, perhaps with blanks."""

WITHIN: Final = frozenset({"who", "whom"})
"""The variables that hold no end of a sentence."""

NUMBERS: Final = frozenset(
    {"msg_id", "number", "errcode", "tag_id", "days", "article", "place", "most", "least", "size", "left", "limit"}
)
"""The variables that hold a number."""

WAITING: Final = (
    N_("WeChat's answer to try {number}"),
    N_("what the key {key} has done before"),
    N_("WeChat's word on msg_id {msg_id}"),
    N_("the push that says why msg_id {msg_id} failed"),
    N_("WeChat's push on msg_id {msg_id}, asking mass/get as well"),
    N_("WeChat's push on msg_id {msg_id}"),
    N_("WeChat's answer about tag {tag_id}"),
    N_("resume: paused by {by}"),
    N_("the preview to {to}"),
    N_("an operator's answer to {problem}"),
    N_("the upload of {number} file(s) to WeChat, {done} done"),
    N_("the next try: {said}"),
    N_("the next quota window in Asia/Shanghai: {said}"),
    N_("another submission of the account, {place} before it"),
    N_("another submission of the account"),
    N_("frozen by {by}: {reason}"),
)
"""What a send waits for."""

STORY: Final = (
    N_("WeChat's push on msg_id {msg_id}: {status}"),
    N_("mass/get on msg_id {msg_id}: {status}"),
    N_("the worker that submitted ended without an answer"),
    N_("the worker that submitted did not answer in time"),
    N_("confirmed as not delivered"),
    N_("the material cannot be made again for now: {sentence}"),
    N_("try {number}: accepted as msg_id {msg_id} (it had accepted it before)"),
    N_("try {number}: accepted as msg_id {msg_id}"),
    N_("try {number}: WeChat takes it for job msg_id {msg_id}"),
    N_("try {number}: {said}; it may have been accepted"),
    N_("try {number}: {said}"),
    N_("needs an operator: {problem}"),
    N_("ended as {outcome}"),
    N_("WeChat's word on msg_id {msg_id} says nothing: {status}"),
    N_("no verdict on msg_id {msg_id} within {waited}"),
    N_("nobody decided about {problem} until {until}"),
    N_("nobody approved until {until}"),
    N_("previewed to {to}"),
    N_("no preview to {to}: {said}"),
    N_("a preview shows one picture, and this message has {number}: preview each by itself"),
    N_("the account's previews of today are used up; there are new ones from {at}"),
    N_("it may have been shown, but no answer came ({reason})"),
    N_("retry of {problem}"),
    N_("marked as sent: msg_id {msg_id}"),
    N_("rescheduled to {send_at}"),
    N_("the account's ledger knows this key: it failed as {problem}"),
    N_("the account's ledger knows this key: {number} earlier submission(s) taken over"),
    N_("mass/get says {status} of msg_id {msg_id}"),
    N_('whether an earlier run under "{key}" was delivered is not known: {said}'),
)
"""What has happened to a send."""

PROBLEM: Final = (
    N_("WeChat does not accept calls from this worker's address {address}; nothing was sent."),
    N_("Put {address} on the account's IP whitelist, wait some minutes, then retry."),
    N_("WeChat answered {errcode}, {said}"),
    N_("Its reason {status}: {said}."),
    N_(
        "WeChat answered {errcode}: it no longer knows the material. Material dies with its delivery, so an earlier try"
        " may have been delivered: look into WeChat's console before you retry."
    ),
    N_("The other job is msg_id {msg_id}. A try before it may have been accepted."),
    N_("The other job is msg_id {msg_id}."),
    N_("The job is msg_id {msg_id}."),
    N_("The first such try began at {at}. The last word: {said}."),
    N_("The first such try began at {at}."),
    N_("This key has failed as {problem} before, and nothing was submitted now: {said}"),
    N_("The account has no tag {tag_id}."),
    N_('Tag {tag_id} is named "{name}", expected was "{wanted}".'),
    N_("Tag {tag_id} has {number} followers, expected were at most {wanted}."),
    N_(
        "Counted here before it: {today} accepted today ({today_all} to all), {month} this month ({month_all} to all),"
        " and {others} more made elsewhere this month; counted since {since}."
    ),
    N_(
        "Counted here before it: {today} accepted today ({today_all} to all), {month} this month ({month_all} to all);"
        " counted since {since}."
    ),
    N_("WeChat's last word on msg_id {msg_id}: WeChat had said that it failed, and is still sending it"),
    N_("WeChat had said that {about} failed, and mass/get does not say so yet: it may still be delivered"),
    N_("WeChat had said that {about} failed, and mass/get does not say so yet"),
    N_("But {doubt}."),
    N_("msg_id {msg_id}"),
    N_("account {account}: {said}"),
    N_("{about}, WeChat answered {errcode}, {said}"),
    N_("Asking for the followers of tag {tag_id}"),
    N_("Looking at the draft"),
    N_("Making the draft"),
    N_("Converting the video"),
    N_("Uploading {source}"),
    N_("Lost: {names}."),
    N_("Temporal's database was restored: whether anything was submitted after {at} is forgotten"),
)
"""What a problem adds to the sentences of its table."""

REFUSALS: Final = (
    N_("{name} does not fit now: this send is ending"),
    N_("confirm_not_delivered answers unknown_outcome only; this send waits with {name}"),
    N_("send_ignore_reprint answers reprint_needs_decision only; this send waits with {name}"),
    N_("WeChat accepted this send as msg_id {known}, not {msg_id}"),
    N_("{name} does not fit yet: the account's ledger is asked what it knows; try again in a moment"),
    N_("{name} does not fit now: the send is {phase} and asks nothing"),
    N_("{name} does not answer {problem}; what does: {answers}"),
    N_("this key has been submitted {number} times; use a new one"),
    N_("{by} has {outcome} this send already; it is ending: look at the status"),
    N_("already accepted as msg_id {msg_id}; a delivered send can only be recalled: recall it instead"),
    N_("already accepted as msg_id {msg_id}; a delivered send can only be recalled"),
    N_("confirm_not_delivered answers a problem, and this send is {phase} and asks nothing: abort without it"),
    N_("WeChat has accepted msg_id {msg_id}, and knows what became of it: retry asks it again"),
    N_("{by} has asked for this send, and somebody else has to approve it"),
    N_("{name} does not fit: this send needs no approval"),
    N_("{name} does not fit now: {by} has approved it already"),
    N_("{name} does not fit now: the send is {phase}; what goes out is not ready"),
    N_("paused by {by} already"),
    N_("{name} does not fit now: this send is not paused"),
    N_("send_at: is more than {days} days ahead"),
    N_("send_at: must be earlier than not_after, which is {not_after}"),
    N_("{name} does not fit now: a try was made, and its answer decides about the next one. Pause it instead"),
    N_("{name} does not fit yet: the send is being prepared; try again in a moment"),
    N_("{name} does not fit now: a try may have reached WeChat, and is settled first"),
    N_('key: "{key}" stands for other content already; use a new key for this one'),
    N_("WeChat could not be asked about msg_id {msg_id}: what it said before stands"),
    N_("msg_id {msg_id} is another job's: key {owner}"),
    N_("WeChat could not be asked about msg_id {msg_id}, so nothing was changed; try again"),
    N_("WeChat could not be asked about msg_id {msg_id}, so nothing was changed; retry later"),
    N_("more became known of this send: msg_id {msg_id} does not stand for it any more. Look at its status."),
    N_("WeChat does not know msg_id {msg_id}: it answered {answer}"),
    N_("WeChat has not said what became of {about} (it answered {answer}), so nothing was changed; retry later"),
    N_("WeChat now says {status} of {about}; a second submission would double it"),
    N_("WeChat does not know {about} yet ({answer}), so nothing was changed; retry in a moment"),
    N_("WeChat still asks the administrator about {about} ({errcode}); a second submission would double it"),
    N_("the account {appid} does not know the key {key}"),
    N_("{workflow_id} waits for its turn; abort it first"),
    N_("{workflow_id} is submitting; ask again when that is over"),
)
"""Why an answer, or a switch, is not carried out."""

SHOWN: Final = (
    N_('Text "{text}"'),
    N_("Draft {media_id}"),
    N_('Article "{title}"'),
    N_("{number} articles: {titles}"),
    N_('Video "{title}"'),
    N_("Card {card_id}"),
    N_('1 picture "{text}"'),
    N_('{number} pictures "{text}"'),
    N_("{number} pictures"),
    N_("tag {tag_id} ({name})"),
    N_("tag {tag_id}"),
    N_("{number} openids, digest {digest}"),
    N_("{number} openids"),
    N_("text: {text}"),
    N_("article: {title}"),
    N_("video: {title}"),
    N_("the openids in {uri}"),
    N_("followers with {counted}"),
    N_("any of tags {any}, all of tags {all}, none of tags {none}"),
    N_("any of tags {any}, all of tags {all}"),
    N_("any of tags {any}, none of tags {none}"),
    N_("all of tags {all}, none of tags {none}"),
    N_("any of tags {any}"),
    N_("all of tags {all}"),
    N_("those of {key} that are {states}"),
    N_("{who}, without {whom}"),
    N_("batch {number} of {size} of {key}: {counted}"),
    N_("to all followers"),
    N_('to tag {tag_id} "{name}": {number} followers'),
    N_("to tag {tag_id}"),
    N_("to {number} openids, digest {digest}"),
    N_("{number} of the 4 messages that each follower gets this month went to all"),
    N_("digest of all this: {digest}"),
    N_("{use} ({kind}, {size} bytes, SHA-256 {digest})"),
)
"""What goes out to whom. The message's own words are variables, and stay as they are."""

OUTLOOK: Final = (
    N_("waits for an unfreeze, until {until} at the latest"),
    N_("frozen by {by} since {at}: {reason}"),
    N_("WeChat refuses it; it waits until {until}; it may be tried each midnight"),
    N_("WeChat refuses it; it waits until {until}"),
    N_("goes at its time, {at}"),
    N_("ends as {outcome} at once; nothing is submitted"),
    N_("asks an operator: {problem}"),
    N_("sent as msg_id {msg_ids}, accepted {at}"),
    N_("accepted as msg_id {msg_ids}, {at}; no result yet"),
    N_("in doubt: a try of {at} may have been accepted"),
    N_("ended as {outcome} ({problem}), {at}; nothing was delivered"),
    N_("ended as {outcome}, {at}; nothing was delivered"),
    N_("must be {said} and at most a year"),
)
"""What a start would meet, as a dry run tells it."""

RECALLS: Final = (
    N_("msg_id {msg_id} was not delivered ({status}): there is nothing to recall."),
    N_("msg_id {msg_id} is a message of type {msgtype}: only articles and videos can be recalled."),
    N_("msg_id {msg_id} has {number} article(s), so there is no article {article}."),
    N_("msg_id {msg_id} to be sent: {said}"),
    N_("Recalled already, and no call was made: WeChat says that msg_id {msg_id} is deleted."),
    N_("WeChat knows no msg_id {msg_id} of this account; nothing was deleted."),
    N_("Recalled: WeChat says that it is done, but mass/get does not say DELETE yet: {said}."),
    N_("Not recalled. {said}"),
    N_("Nobody knows whether it was recalled: a call may have been carried out. {said}"),
    N_("mass/get says {status}"),
    N_("the answer to a call was lost ({said})"),
    N_("mass/get could not be asked ({said})"),
    N_("WeChat could not be called ({said})"),
    N_("{said}: WeChat takes ten recalls a day, and there are new ones from {at}."),
    N_("Recalled: WeChat says that it is done. That was not verified, since: {said}"),
    N_("Recalled: WeChat says that it is done; {more} ({said})."),
    N_("Recalled before, by {by}, and WeChat has nothing more to delete: {said}."),
    N_("{said}, {number} times. It may be deleted already, or WeChat does not let it be deleted."),
    N_("article {article} of {send}: msg_id {msg_id}, {state}"),
    N_("article {article} of {send}: msg_id {msg_id}"),
    N_("article {article} of msg_id {msg_id}, a job of {send}"),
    N_("msg_id {msg_id}, a job of {account}, by no send that is known here"),
    N_("msg_id {msg_id}, a job of {send}"),
    N_("the article of {account} at {url}, by no send that is known here"),
    N_("{send}: msg_id {msg_id}, {state}, {number} received it"),
    N_("The workflow could not say its status: {error}"),
    N_("no answer within a minute"),
    N_("it was cancelled"),
    N_("it was cancelled before its call"),
    N_("the worker that called ended without an answer"),
)
"""What a recall says, and what it is of."""

BATCHES: Final = (
    N_("batch {number} of {size}"),
    N_("an operator's answer to {problem} of {said}"),
    N_("planned: {counted}"),
    N_("{number} openids in {size} batches"),
    N_("needs an operator: batch {number}"),
    N_("the first of {number} batches is sent"),
    N_("batch {number} needs an operator: {problem}"),
    N_("batch {number} ended as {outcome}: {problem}"),
    N_("batch {number} ended as {outcome}"),
    N_("batch {number}, which an earlier run had begun, ended as {outcome}"),
    N_("whether batch {number} was begun before"),
    N_("retry of batch {number}"),
    N_("retry after {problem}"),
    N_("{name} of the batch"),
    N_("{name} does not answer {problem}"),
    N_("{name} does not fit yet: the audience is being planned; try again in a moment"),
    N_("{name} does not fit now: this send asks a person first"),
    N_("{name} does not fit now: no batch is left"),
    N_("Batch {number} of {size}, {key}, ended as {outcome} ({problem}). {said}"),
    N_("Batch {number} of {size}, {key}, ended as {outcome}. {said}"),
    N_("The key {key} stands for other content already; nothing more is submitted."),
    N_("to {number} openids in {size} batches, taken {at}"),
    N_("part: {said}: {number}"),
    N_("left out: {number} duplicates, {size} lines that are no openids"),
    N_("sends in batches this month: {text}"),
    N_("through at about {at}"),
    N_("digest of the plan: {digest}"),
    N_("needs an operator: what the rest gets"),
    N_("chose message {text}"),
    N_("group {text}: {number} openids in {size} batches"),
    N_("group {text}: {said}"),
    N_("Group {text} has {number} openids, of which {size} received it."),
    N_("Group {text} has {number} openids. How many received it is not known."),
    N_("The rest has {number} openids."),
    N_("{name} does not fit: this send has no split test"),
    N_("{name} does not fit now: {by} has chosen the message of group {text} already"),
    N_("{name} does not fit yet: groups a and b are sent first"),
)
"""What a send in batches says."""

PHRASES: Final = sorted(
    (
        *WAITING,
        *STORY,
        *PROBLEM,
        *REFUSALS,
        *SHOWN,
        *OUTLOOK,
        *RECALLS,
        *BATCHES,
        *COMMAND_LINE,
        *REQUESTS,
        *OF_TEMPORAL,
        *OF_ACCOUNT,
    ),
    key=lambda phrase: len(re.sub(r"{[^}]*}", "", phrase)),
    reverse=True,
)
"""All of them, those with the most words first: the first one that fits a text is taken."""
