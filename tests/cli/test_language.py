"""Chinese for who wants it: which language is spoken, what is translated, and what never is."""

import json
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from time import thread_time

import pytest
import typer.rich_utils
from pydantic import ValidationError
from rich.cells import cell_len
from rich.text import Text
from temporalio.client import Client
from typer.testing import CliRunner, Result

from qunfa.cli import app
from qunfa.cli.callback import CallbackReport, render_report
from qunfa.cli.commands import breaks
from qunfa.cli.demo import Standing, render_standing
from qunfa.cli.demo_folder import LEFT
from qunfa.cli.demo_stack import followers, received
from qunfa.cli.errors import told_ended
from qunfa.contract.ids import MassSendId
from qunfa.contract.refusal import InvalidRequestError
from qunfa.language import of_environment, speak, spoken
from qunfa.language.phrases import PHRASEBOOK, PHRASES, speak_by_default, told, told_whole
from qunfa.rules.doctor_account import Step
from qunfa.rules.outcome import not_known
from qunfa.settings.account import AccountSettings
from qunfa.settings.model import MediaSettings
from tests.cli.calls import UNREACHABLE, Qunfa, Scripted, parsed, until_listed
from tests.cli.stub import status
from tests.cli.test_help import COMMANDS
from tests.cli.test_tables import lines
from tests.project.test_messages import english
from workflows.refusal import NO_ACCOUNT

CHINESE = {"LC_ALL": "", "LANG": "zh_CN.UTF-8", "COLUMNS": "80"}
NO_CONFIGURATION = {"QUNFA_CONFIG": ""}
PLAIN = "mode: plain, so WeChat's signature does not cover what a push says"
REPRINT = {
    "name": "reprint_needs_decision",
    "sentence": "WeChat judged the message a reprint and did not send it.",
    "todo": "Retry, or abort.",
    "errcode": 30003,
    "errmsg": "err(30003)",
}


def typed(*words: str, **environment: str) -> Result:
    """What comes of a command line. The language that it chooses is its own: the next test speaks English."""
    ran = partial(CliRunner().invoke, env={**CHINESE, **NO_CONFIGURATION, **environment}, prog_name="qunfa")
    return copy_context().run(ran, app, list(words))


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_CN", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANGUAGE": "en_GB:zh", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LANGUAGE": "fr:zh", "LANG": "fr_FR.UTF-8"}, "zh"),
    ],
)
def test_the_environment_names_the_language(environment: dict[str, str], language: str) -> None:
    """By the first variable of gettext's that is set, and the first language in it that there is."""
    assert of_environment(environment) == language


@pytest.mark.parametrize(("setting", "said"), [("zh", "列出群发"), ("en", "List sends")])
def test_the_settings_win_over_the_environment(setting: str, said: str) -> None:
    """By a variable of the settings, as by the file."""
    other = {"LANG": "en_US.UTF-8" if setting == "zh" else "zh_CN.UTF-8"}
    assert said in typed("list", "--help", QUNFA_DISPLAY__LANGUAGE=setting, **other).stdout


def test_a_file_of_settings_names_the_language(tmp_path: Path) -> None:
    """And a language that there is not leaves it to the environment."""
    file = tmp_path / "qunfa.toml"
    for language, said in (("en", "List sends"), ("klingon", "列出群发")):
        file.write_text(f'[display]\nlanguage = "{language}"\n', encoding="utf-8")
        assert said in typed("list", "--help", QUNFA_CONFIG=str(file)).stdout


@pytest.mark.parametrize("words", COMMANDS)
def test_help_is_chinese_and_fits(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No English sentence is left in it, nor a frame's title. No line has over 80 columns, and nothing is cut."""
    shown = []
    for width in (80, 300):
        monkeypatch.setattr(typer.rich_utils, "MAX_WIDTH", width)
        shown.append(typed(*words.split(), "--help").stdout)
    narrow, wide = shown
    assert any(unicodedata.name(one, "").startswith("CJK") for one in narrow)
    assert english(re.sub(r"(用法|示例)：.*|`[^`]*`|[│╭╮╰╯─]", " ", wide)) == []
    assert [title for title in re.findall(r"╭─ (.+?) ─", wide) if not re.search(r"[\u4e00-\u9fff]", title)] == []
    assert max(map(cell_len, narrow.splitlines())) <= 80
    assert sorted(re.sub(r"[│╭╮╰╯─\s]", "", narrow)) == sorted(re.sub(r"[│╭╮╰╯─\s]", "", wide))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status",), "缺少参数"),
        (("retry", "demo/k"), "缺少选项“--reason”"),
        (("list", "--phase", "flying"), "“--phase”的值无效：“flying”不在"),
        (("list", "--limit", "many"), "“--limit”的值无效：不是整数"),
        (("list", "--limit", "0"), "“--limit”的值无效：不能小于 1"),
        (("list", "--limit", "20000"), "“--limit”的值无效：不能大于 10000"),
        (("list", "--colour"), "没有这个选项：--colour"),
        (("list", "--limits"), "没有这个选项：--limits"),
        (("list", "--limit"), "“--limit”需要一个值"),
        (("speed", "demo", "get", "1", "2"), "多余的参数"),
        (("fly",), "没有“fly”这个命令"),
        (("status", "just-a-key"), "不是群发的名称"),
        (("approve",), "请说明是哪些群发"),
        (("send", "--account", "demo", "--text", "hi", "--yes"), "key：缺失："),
        (("status", "demo/k"), "Temporal"),
        (("demo", "--problem", "flying"), "演示不能留下问题 flying"),
        (("schema", "Nothing"), "没有 'Nothing' 这个消息"),
        (("simulator", "--config", "/nowhere"), "无法读取 /nowhere"),
        (("callback", "check", "demo"), "配置里没有公众号 demo"),
        (("callback", "--port", "1", "check", "demo"), "--host 和 --port 只用于接收端"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else "",
)
def test_errors_are_chinese(words: tuple[str, ...], said: str) -> None:
    """Those of typer, of the command and of a request."""
    answer = typed(*words, **UNREACHABLE)
    shown = re.sub(r"[│╭╮╰╯─\s]", "", answer.stderr)
    assert said.replace(" ", "") in shown, answer.stderr


async def test_a_send_is_told_in_chinese(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Its phase with its name, the problem, what to do, and the answers as they are typed; all within 80 columns."""
    waiting = {"reason": "an operator's answer to reprint_needs_decision", "until": "2026-12-04T01:00:00Z"}
    story = [{"at": "2026-12-01T01:00:00Z", "what": "try 1: accepted as msg_id 3147483650"}]
    said = status("needs_operator", problem=REPRINT, answers=["retry", "abort"], waiting_for=waiting, history=story)
    await scripted(said)
    shown = (await qunfa("status", f"demo/{key}", **CHINESE)).stdout
    for words in ("待人工处理（needs_operator）", "reprint_needs_decision: 微信判定这条消息为转载", "重试或中止。"):
        assert words in shown
    assert f'qunfa retry demo/{key} --send-ignore-reprint --reason "WHY"' in shown
    assert "第 1 次提交：已受理，msg_id 3147483650" in shown
    assert english(re.sub(r"qunfa .*|workflow .*|依据.*", "", shown)) == []


def test_the_demo_and_the_check_of_a_callback_speak_chinese(chinese: None) -> None:
    """What was received, what was left with which problem, and each step with what to do."""
    seen = {"followers": 5, "reached": 4, "max_per_follower": 1, "jobs": [], "duplicates": []}
    steps = (
        Step(name="url", state="ok", said="verified, as WeChat does it, in 3 ms"),
        Step(name="temporal", state="skipped", said="the push has to be answered first"),
        Step(name="wechat", state="failed", said="no worker polls the task queue q", todo="Look at the workers' log."),
    )
    report = CallbackReport(account="demo", appid="wx1", mode="plain", url="u", msg_id=1, ok=False, steps=steps)
    standings = [Standing(name, MassSendId("demo", "k"), ()) for name in LEFT]
    rendered = [followers(seen, 3), received(seen, []), render_report(report), *map(render_standing, standings)]
    shown = "\n".join("\n".join(lines(one, 200)) for one in rendered)
    for words in ("5 位粉丝中有 4 位收到了内容", "plain 模式", "失败：wechat。", "这里只查找了 8 秒"):
        assert words in shown
    assert english(shown) == []


async def test_json_is_the_same_in_every_language(qunfa: Qunfa, scripted: Scripted, key: str) -> None:
    """Programs read it: what workflows say stays as it was said, and so does what the command adds."""
    await scripted(status("needs_operator", problem=REPRINT, answers=["retry", "abort"]))
    for words in (
        ("status", f"demo/{key}"),
        ("views",),
        ("retry", "demo/none", "demo/nothing", "--reason", "x", "--yes"),
    ):
        said, told_ = [parsed(await qunfa(*words, "--json", **more)) for more in ({}, CHINESE)]
        assert said == told_
        assert json.dumps(said, ensure_ascii=False).isascii()


async def test_the_list_is_chinese(qunfa: Qunfa, scripted: Scripted, client: Client, key: str) -> None:
    """Headings and states; what is searched by keeps its name."""
    await until_listed(client, (await scripted(status("needs_operator", problem=REPRINT))).id)
    shown = (await qunfa("list", "--query", f"WorkflowId = 'mass-send:demo:{key}'", **CHINESE)).stdout
    assert "群发" in shown
    assert english(shown) == []


def test_a_message_is_never_translated(chinese: None) -> None:
    """Only the words around it: what goes out is shown as it goes out."""
    assert told_whole('Text "Failed. Nothing was delivered."') == "文本“Failed. Nothing was delivered.”"
    assert told_whole("text: Retry, or abort.\nFailed.") == "文本：Retry, or abort.\nFailed."
    assert told_whole("Somebody's own words. Failed.") == "Somebody's own words. Failed."
    shown = "cover (jpeg, 24,251 bytes, SHA-256 df87885a301bce54)"
    assert (told("approval"), told_whole(shown)) == ("审批", "封面（jpeg，24,251 字节，SHA-256 df87885a301bce54）")
    assert told("frozen by li: Retry, or abort.") == "已被 li 冻结：Retry, or abort."


def test_what_is_chinese_already_ends_as_chinese_does(chinese: None) -> None:
    """A full stop is put behind it where it lacks; what ends with letters has theirs, and people's words their own."""
    assert told_ended("没有这个文件") == "没有这个文件。"
    assert told_ended("WeChat has news") == "WeChat has news."
    assert told("frozen by li: 价格错误.") == "已被 li 冻结：价格错误."
    assert told_ended("frozen by li: 价格错误.") == "已被 li 冻结：价格错误."


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("text: {}", "文本：{}"),
        ("group a: article: {}", "a 组：文章：{}"),
        ("video: {}", "视频：{}"),
        ("group b: description: {}", "b 组：描述：{}"),
        ('Text "{}"', "文本“{}”"),
        ('2 articles: "{}", "b"', '2 篇文章："{}", "b"'),
    ],
)
def test_a_message_may_have_the_words_of_any_phrase(line: str, shown: str, chinese: None) -> None:
    """It is shown as it goes out, whatever else says the same."""
    said = [re.sub(r"{[^}]*}", "7", phrase) for phrase in PHRASES]
    messages = [*said, *(f"Tea, {one}" for one in said), *(f"{one}, without sugar" for one in said)]
    assert [one for one in messages if told_whole(line.format(one)) != shown.format(one)] == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "at most 3 of 4 mass sends to all left this month; 99 of 1,000 calls of sendall and send left that day",
            "发给全部粉丝的群发：本月最多还剩 3 次（上限 4）；sendall 和 send 调用：当日还剩 99 次（上限 1,000）",
        ),
        ("used up: 0 of 1 sends left this day", "已用完：群发：本日还剩 0 次（上限 1）"),
        ("1 picture", "1 张图片"),
        ("this machine's clock is right by Temporal's", "本机的时钟准确（对照：Temporal 的时钟）"),
        ("the worker's clock is right by Temporal's and WeChat's", "worker 的时钟准确（对照：Temporal 和微信的时钟）"),
        ("the worker's clock is 8 s ahead of WeChat's", "worker 的时钟快 8 秒（对照：微信的时钟）"),
        (
            "the worker's clock is 5 s behind Temporal's and 90 s ahead of WeChat's",
            "worker 的时钟慢 5 秒（对照：Temporal 的时钟），快 90 秒（对照：微信的时钟）",
        ),
        (
            f"wechat: WeChat finds the host at 1.2.3.4; {PLAIN}",
            "微信：微信解析到的主机是 1.2.3.4；mode 为 plain，所以微信的签名不涵盖推送的内容",
        ),
    ],
)
def test_limits_clocks_and_callbacks_are_chinese(said: str, shown: str, chinese: None) -> None:
    """The whole row, also where several things are said in one."""
    assert told(said) == shown


def test_what_is_wrong_with_a_configuration_is_chinese(chinese: None) -> None:
    """Line by line, as it is indented; places and values stay."""
    begins = "the configuration (/a/qunfa.toml and the environment) cannot be used, 2 thing(s) to correct:"
    wrong = "accounts.demo.kind, in /a/qunfa.toml\n    Input should be 'service' or 'subscription'"
    shown = told(f"{begins}\n  {wrong}\n  store.uri, from the environment\n    must be an absolute path")
    first, place, value, *_, last = shown.split("\n")
    assert first == "配置（/a/qunfa.toml 和环境变量）无法使用，有 2 处要改："
    assert (place, value) == ("  accounts.demo.kind, in /a/qunfa.toml", "    必须是 'service' 或 'subscription'")
    assert last == "    必须是绝对路径"


@pytest.mark.parametrize("wrong", [{"kind": "service", "secret": "a b"}, {"hosts": ["a b"]}])
def test_no_wrong_setting_is_told_half_in_english(wrong: dict[str, object], chinese: None) -> None:
    """Each sentence of theirs is known word for word; names of WeChat's stay."""
    model = MediaSettings if "hosts" in wrong else AccountSettings
    with pytest.raises(ValidationError) as refused:
        model.model_validate(wrong)
    said = [told(str(one.get("ctx", {}).get("error", ""))) for one in refused.value.errors()]
    assert any(said)
    assert english(" ".join(said)) == []


def test_a_configuration_that_is_not_there_is_told(chinese: None) -> None:
    """Both lines: what the system says of the file ends with its own."""
    advice = "Correct QUNFA_CONFIG, or unset it to use qunfa.toml of the working directory."
    shown = told(f"cannot read the configuration /nowhere: No such file or directory\n{advice}")
    assert shown.split("\n") == ["无法读取配置 /nowhere：No such file or directory", told(advice)]
    assert told(advice) != advice


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ("test", "只有：test"),
        ("admin, text", "只有：admin, text"),
        ("admin, text and 3 more", "只有：admin, text，以及另外 3 个"),
        ("none at all", "一个公众号也没有"),
    ],
)
def test_names_of_accounts_are_never_translated(known: str, shown: str, chinese: None) -> None:
    """Also where one is a word of the catalogue: nobody finds an account by its translation."""
    advice = "Correct the name, or add the account to the workers' configuration."
    said = told(f"account tset: the workers' configuration does not have it (it has: {known}). {advice}")
    assert said == f"公众号 tset：worker 的配置中没有它（{shown}）。请更正名称，或把公众号加进 worker 的配置。"


def test_what_is_not_known_stays_english(chinese: None) -> None:
    """Of several sentences each that is known is translated, and none is lost."""
    assert told("WeChat has news. Retry, or abort.") == "WeChat has news. 重试或中止。"
    assert told("Retry, or abort. WeChat has news: two.") == "重试或中止。WeChat has news: two."
    assert told("") == ""


def test_each_field_of_a_refused_request_is_told(chinese: None) -> None:
    """Several in one sentence, each by its name."""
    said = "The request is wrong. a: is missing; b.c: must be text; d.0: must have at most 5 items."
    assert told(said) == "The request is wrong. a：缺失；b.c：必须是文本；d.0：最多 5 项。"


def test_a_refusal_of_an_unknown_account_is_told(chinese: None) -> None:
    """What is not known of the key stands before it, as workflows have it."""
    account = "account demo: the workers' configuration does not have it (it has: a, b). Correct the name, or add the "
    problems = [not_known("spring", NO_ACCOUNT), f"account: {account}account to the workers' configuration."]
    assert told(str(InvalidRequestError(problems))) == (
        "请求被拒绝，什么都没有发出：key：以前用“spring”的运行是否已送达，并不清楚：这个 worker 没有这个公众号；"
        "account：公众号 demo：worker 的配置中没有它（只有：a, b）。请更正名称，或把公众号加进 worker 的配置。"
    )


def test_a_phrase_takes_nothing_of_another_sentence(chinese: None) -> None:
    """What stands between its words is one text, and a code may be negative."""
    accepted = "WeChat accepted the message and then failed to send it, without a reason. The job is msg_id 7."
    assert told(accepted) == "微信受理了消息，随后发送失败，没有给出原因。任务是 msg_id 7。"
    assert told("WeChat answered -1, the system is busy").startswith("微信返回 -1：")


@pytest.mark.parametrize("behind", ["", ".", ";", f"; {PLAIN}"])
def test_each_phrase_is_told_with_any_mark(behind: str, chinese: None) -> None:
    """A sentence by itself, or one of a row: the mark is none of its last variable's, nor is what stands behind."""
    quoted = re.compile(r"{(detail|error|reason|text|typed|words)}\.?$")
    own = [one for heading, phrases in PHRASEBOOK.items() if "quotes a message" not in heading for one in phrases]
    said = {re.sub(r"{[^}]*}", "7", one).removesuffix(".") for one in own if not quoted.search(one)} - {"msg_id 7"}
    written = behind.replace(".", "。").replace("; ", ";").replace(";", "；").replace(PLAIN, told(PLAIN))
    assert [one for one in said if told(one) == one or told(one + behind) != told(one) + written] == []


def test_a_text_known_word_for_word_goes_before_a_phrase(chinese: None) -> None:
    """Also with a full stop: "without" is no difference of audiences there."""
    ended = "the worker that submitted ended, or was too late, without an answer"
    assert told(f"{ended}.") == f"{told(ended)}。"
    assert "worker 已退出" in told(ended)


@pytest.mark.parametrize(
    "text",
    [
        "one two. " * 400,
        "one two. " * 4000,
        "account a: " * 350,
        "Zz. account a: " * 260,
        "a: " * 1300,
        "Counted here before it: 1 accepted that day (2 to all), 3 that month (4 to all), and 5 more" * 45,
        "any of tags " + ", all of tags " * 1000,
        "x, without y, without " * 180,
    ],
    ids=lambda text: f"{text[:15]} {len(text)}",
)
def test_no_text_of_a_stranger_takes_long_to_tell(text: str, chinese: None) -> None:
    """A workflow tells it on its page: it must neither wait for long nor go too deep. Nothing of it is lost."""
    began = thread_time()
    assert "末尾" in told(f"{text}末尾")
    assert thread_time() - began < 1


def test_what_a_process_speaks_each_thread_of_it_speaks() -> None:
    """Workflows run in threads of Temporal's. A context that has a language of its own keeps it."""
    own = copy_context()
    own.run(speak, "en")
    speak_by_default("zh")
    try:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(told, "Failed.").result() == "失败。"
        assert own.run(spoken) == "en"
    finally:
        speak_by_default("en")


@pytest.mark.parametrize("width", [4, 10, 11, 40])
def test_chinese_breaks_between_characters(width: int) -> None:
    """No line is too wide, none begins with a mark that ends a clause, and no word of letters is broken."""
    text = "到公众平台改正标签或粉丝，然后重试；或者“中止”，再用 key 发送。"
    lines = [one.plain for one in Text(text).divide(breaks(text, width))]
    assert "".join(lines) == text
    assert all(cell_len(one.rstrip()) <= max(width, 6) for one in lines)
    assert not any(one[0] in "，。；：、！？”" for one in lines)
    assert sum("key" in one for one in lines) == 1
