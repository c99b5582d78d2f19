"""The Chinese catalogue: nothing lacks in it, and what workflows say is found in it."""

import ast
import gettext
import re
import unicodedata
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from qunfa.article import problems as article_problems
from qunfa.audience.lines import Seen, problem_of, read_text
from qunfa.contract.result import Answer
from qunfa.language import CHINESE, DOMAIN, LOCALES
from qunfa.language.phrases import PHRASEBOOK, PHRASES, told
from qunfa.media.facts import Format, MediaFacts
from qunfa.media.fitting import Use, check
from qunfa.media.spool import SourceRefused
from qunfa.rules.problems import PROBLEMS
from qunfa.rules.submission import explain
from tests.project.imports import ROOT
from tests.project.messages import (
    COMPILED,
    FILE,
    LETTERS,
    PAGES,
    SPEAKING,
    catalogue,
    core_files,
    placeholders,
    plain_texts,
    strings,
    templates,
    unmarked,
    untranslated,
    wanted,
)
from tests.rules.arbitrary import NOON

KEPT: Final = catalogue()
SAID_ELSEWHERE: Final = (
    "qunfa/send",
    "qunfa/batches",
    "qunfa/rules",
    "qunfa/contract",
    "qunfa/account",
    "qunfa/cli",
    "qunfa/media",
    "qunfa/audience",
    "qunfa/article",
    "qunfa/wechat",
    "qunfa/temporal",
    "qunfa/settings",
    "workflows",
    "activities",
)
TYPED: Final = ("qunfa ", "temporal ", "Example: qunfa ", "QUNFA_", "\nimport ")
NO_SENTENCES: Final = {
    "bold reverse red",
    "the dry run was interrupted",
    "Pictures for a preview",
    "to be looked at",
    "Hello from Qunfa: one message, and nobody gets it twice.",
    "Tulips in the wind",
}
"""A style, what goes into histories, and what the demo sends."""
NO_WORDS: Final = {
    *("abort", "approve", "choose", "mark_sent", "pause", "reject", "reschedule", "resume", "retry"),
    *("awaiting_approval", "done", "new", "paused", "refused"),
    *("reprint_needs_decision", "unknown_outcome"),
    *("errcode", "errcode {}", "mass/delete", "msg_id", "?group={}"),
}
"""Names of updates, states, problems, and WeChat's: pages show them as they are, or their translation."""
_SET_CURRENT: Final = "temporal worker deployment set-current-version"
_SET_RAMPING: Final = "temporal worker deployment set-ramping-version"
COMPOSED: Final = frozenset(
    {
        "another submission of the account{}",
        "qunfa article preview {}/{}{}",
        "{}, asking mass/get as well",
        "{}: it may still be delivered",
        "WeChat could not be asked about msg_id {}",
        "msg_id {} is an earlier job of this send",
        "WeChat has not said whether it knows msg_id {} (it answered {})",
        "{}, so nothing was changed; {}",
        "{}, so this send ends as unknown",
        "{}, so WeChat is asked about it before the end",
        "{}, so the send was paused, and nothing else was changed; {}",
        "WeChat does not accept calls from {}; nothing was sent.",
        "The other job is msg_id {}.{}",
        "The first such try began at {}.{}",
        "{} whether anything was submitted, stopped, moved or recalled after {} is forgotten",
        "WeChat still asks the administrator about {} ({}); {}",
        "must have at {} {} items",
        ", until {} at the latest",
        "accepted as msg_id {},{}; no result yet",
        "in doubt: a try of{} may have been accepted",
        "ended as {}{},{}; nothing was delivered",
        "tried{}; a person has not found it in WeChat's console",
        "was refused by WeChat,{}; nothing was delivered",
        "{}, less than 35: a ledger keeps some 200 settled keys, and an older one could be sent again",
        f"Start workers of the current version, or change it: {_SET_CURRENT} {{}}",
        f"Start such workers, or end the ramp: {_SET_RAMPING} {{}} --delete",
        "Set TEMPORAL_NAMESPACE, or create it (temporal operator namespace create --namespace {}).",
        "there is no such key{}; remove it or correct its name",
        "there is no such variable{}; remove it or correct its name",
        " (did you mean {}?)",
        "; tasks go to the version {}{}",
        "{}: nobody polls {}, so that every send of the account waits",
        "; it is frozen by {} since {}: {}",
        "WeChat does not take calls from the worker's address{}: {}",
        "{} on the account's IP whitelist in {}, and wait some minutes.",
        "an access token {} ({})",
        "a push in {} mode was answered",
        "{} with success in {} ms",
        'key: an earlier run under "{}" was delivered, or may have been (msg_id: {})',
        "{}; nothing was submitted now, and the same content under a new key would be sent again",
        "Counted here before it: {} accepted that day ({} to all), {} that month ({} to all){}; counted since {}.",
        ", and {} more made elsewhere that month",
        'must name a bucket, or a folder in one, such as "s3://bucket/campaigns": {}',
        "there is no such object{}. Correct the bucket and the key.",
        "the store refuses the worker's credentials{}. Check AWS's variables and the right to read it.",
        "the store failed, or was not reached{}. Check its endpoint, region and credentials; try later.",
        "it redirects to {}: ",
        "{}, not the file. Check that the URL is right and may be read without a login.",
        "it leads through more than {} redirects. {}",
        "it redirects, but not to one place. {}",
        "{}it is no URL that can be called. {}",
        "{}it is no http or https URL with a host. {}",
        "{}it carries a user name or password. Use a URL without: it is recorded.",
        "{}nothing may be read from {}. If it shall be, list it under hosts in [media].",
        "{}from https to http is not followed. {}",
        '{}{} {}. {}{} Correct the file, or set on_bad_line to "drop" to leave them out.',
        "{}s are no openids",
        "{} is no openid",
        " {} more are not named.",
        "has {} columns instead of {}",
        "{} is no part of an audience",
        "the report of {}",
        "{} is not in the store. It is there once that send has ended.",
        "it failed, or was not reached{}: check its endpoint, region, credentials and this machine's clock",
        "[store] {} {}. Mend that.",
        "it refuses the worker's credentials{}",
    }
)
"""Made of pieces that are words themselves: the phrasebook has each as it is read."""


def test_the_catalogue_is_complete() -> None:
    """It has each text that is to be translated, and no other; each is translated. If not: `make messages`."""
    assert {one.id for one in KEPT} == {one.id for one in wanted()}
    assert untranslated(KEPT) == []


def test_no_sentence_of_a_command_is_unmarked() -> None:
    """Each that a person reads is translated."""
    files = [file for place in SPEAKING for file in (ROOT / place).rglob("*.py") if file not in core_files()]
    found = {text for file in files for text in unmarked(ast.parse(file.read_text(encoding="utf-8")))}
    known = {one.id for one in KEPT}
    unknown = {text for text in found if text not in known and not text.startswith(TYPED) and not _is_phrase(text)}
    assert unknown == NO_SENTENCES


def test_no_sentence_of_a_page_is_unmarked() -> None:
    """Not even a word: what else has letters there are names, and what is typed."""
    trees = [ast.parse((ROOT / file).read_text(encoding="utf-8")) for file in PAGES]
    found = {text for tree in trees for text in unmarked(tree, LETTERS)}
    assert {text for text in found if not text.startswith(("qunfa ", " --", '{"by": "your name"'))} == NO_WORDS


def test_a_command_lists_names_as_its_language_does() -> None:
    """By `listed`, since Chinese has a comma of its own; other texts are for programs, or come from WeChat."""
    files = {file.name for file in (ROOT / "qunfa/cli").rglob("*.py") if '", ".join(' in file.read_text("utf-8")}
    assert files <= {"article.py", "demo_stack.py", "recall.py", "services.py", "temporal_checks.py"}


def _is_phrase(text: str) -> bool:
    """Whether the phrasebook has it, whatever its variables are called there."""
    return any(re.sub(r"\{[^{}]*\}", "{}", phrase).endswith(text) for phrase in PHRASES)


def test_a_translation_has_the_same_variables() -> None:
    """Each as often as it likes, with the same conversion and format; and so the command can fill them in."""
    wrong = [
        (one.id, text)
        for one in KEPT
        if one.id
        for text in strings(one)
        if placeholders(text) != placeholders(one.id if isinstance(one.id, str) else one.id[-1])
    ]
    assert wrong == []


def test_a_translation_keeps_what_is_typed() -> None:
    """Options, commands in backticks, and names of fields stand in it as they are."""
    typed = re.compile(r"--[a-z][a-z-]+|`[a-z][^`]*`|confirm_not_delivered|send_ignore_reprint|mass/get|msg_id")
    wrong = [
        (one.id, missing)
        for one in KEPT
        if one.id and isinstance(one.id, str)
        for missing in [set(typed.findall(one.id)) - set(typed.findall(str(one.string)))]
        if missing
    ]
    assert wrong == []


def test_what_gettext_reads_is_what_is_kept() -> None:
    """The compiled catalogue is that of the text, so that no change waits for `make messages`."""
    assert FILE.is_file()
    with COMPILED.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for one in KEPT:
        if isinstance(one.id, str) and one.id:
            assert compiled.gettext(one.id) == one.string
        elif one.id:
            assert compiled.ngettext(one.id[0], one.id[1], 2) == strings(one)[0]
    assert gettext.find(DOMAIN, LOCALES, [CHINESE]) == str(COMPILED)


def test_each_phrase_is_said_somewhere() -> None:
    """The phrasebook has no words that have gone from the source; those of typer are tried in tests/cli."""
    files = [file for place in SAID_ELSEWHERE for file in (ROOT / place).rglob("*.py")]
    files.append(ROOT / "qunfa/config_file.py")
    sources = [file.read_text(encoding="utf-8") for file in files]
    found = "\n".join([*sources, *(text for source in sources for text in templates(ast.parse(source)))])
    phrases = [one for one in PHRASES if one not in PHRASEBOOK["What typer says of a command line."]]
    assert [one for one in phrases if not all(part in found for part in _parts(one))] == []


def _parts(phrase: str) -> list[str]:
    """The beginnings of the longer runs of words between variables and punctuation."""
    runs = [part.split() for part in re.split(r"\{[^{}]*\}|[.,:;()]", phrase)]
    return [" ".join(run[:3]) for run in runs if len(run) > 3 and "".join(run).isascii()]


@pytest.mark.parametrize("file", core_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_the_core_says_nothing_unknown(file: Path, chinese: None) -> None:
    """Each sentence that it makes for people is translated, with a number in the place of each variable."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert [text for text in plain_texts(tree) if told(text) == text] == []
    filled = [text.replace("{}", "7").strip() for text in templates(tree) if text not in COMPOSED]
    assert [text for text in filled if english(told(text)) and english(told(f"field: {text}"))] == []


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_told_in_chinese(name: str, chinese: None) -> None:
    """What happened, and what to do: sentences with Chinese full stops, and no English word but names."""
    for text in (told(PROBLEMS[name].sentence), told(PROBLEMS[name].todo)):
        assert text.endswith("。")
        assert any(unicodedata.name(one).startswith("CJK") for one in text)
        assert english(text) == []


def _wrong_material() -> list[str]:
    """What is said of files that WeChat does not take, of an article, and of sources that cannot be read."""
    place = "message.articles[0].thumb"
    files = [
        (MediaFacts(Format.WEBP, 20_000_000), Use.COVER),
        (MediaFacts(Format.UNKNOWN, 1), Use.VOICE),
        (MediaFacts(Format.TEXT, 1), Use.THUMB),
        (MediaFacts(Format.AMR_WB, 1), Use.VOICE),
        (MediaFacts(Format.EMPTY, 0), Use.PICTURE),
        (MediaFacts(Format.MP3, 3_000_000, duration=timedelta(seconds=75.5)), Use.VOICE),
    ]
    found = [one for facts, use in files for one in check(facts, use, place)]
    inside = "message.articles[0].content (春 (2).png)"
    found += check(MediaFacts(Format.EMPTY, 0), Use.PICTURE, inside)
    html = '<img src="x.png"><img src="data:image/png;base64,!!"><img src="data:image/svg+xml,a">'
    found += article_problems(html, "message.articles[1].content")
    reasons = (
        "it redirects to https://a.b/c?d: it is a folder. Name a file.",
        "the name a.b has no address now (DNS knows none). Check the name; else it is tried again.",
        "https://a.b:443 answered 404, not the file. Check that the URL is right and may be read without a login.",
        "it is a folder. Name a file.",
        "the store failed, or was not reached (SlowDown). Check its endpoint, region and credentials; try later.",
    )
    sources = [f"{place}: {SourceRefused('https://a.b/c.png', reason)}" for reason in reasons]
    otherwise = "is cleaned otherwise by this version of Qunfa. Run the version that has looked at it."
    changed = ["message.media has other content now.", f"{inside} has other content now.", f"{place} {otherwise}"]
    refused = f"Uploading {inside}, {explain(Answer(kind='refused', at=NOON, errcode=40009))}."
    return [*found, *sources, *changed, refused, f"account demo: {'; '.join(found)}"]


def _bad_lists() -> list[str]:
    """What is said of lists of openids."""
    many = read_text([b"\n \na,b\n" + b"a" * 1_300 + b"\na b" * 30 + b"\n"], BytesIO(), drop=True)
    one = Seen()
    one.found_bad(40_001, "is no openid")
    return [
        f"audience: source file:/a/b.csv: {problem_of(many)}",
        f"audience: the report of a-key: {problem_of(one, 'row')}",
    ]


@pytest.mark.parametrize("text", [*_wrong_material(), *_bad_lists()])
def test_what_is_wrong_with_a_file_is_told_in_chinese(text: str, chinese: None) -> None:
    """As a person reads it: with its place before it, and several of them together."""
    assert english(told(text)) == []
    assert not re.search(r" is |[a-z]\); ", told(text))


def english(text: str) -> list[str]:
    """The English that is left in a Chinese text: three words of small letters, one after the other."""
    return re.findall(r"(?<![\w-])[a-z']+ [a-z']+ [a-z']+(?![\w-])", text)
