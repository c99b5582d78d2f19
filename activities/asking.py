"""Asking WeChat on the way to a submission: what stands against it for good is told apart from what passes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.failures import wechat_unavailable
from qunfa.rules.codes import CodeClass
from qunfa.wechat import MaybeWritten, NoToken, NotWritten, OfficialAccount, Refused, Token

_FOR_A_PERSON: Final = frozenset({CodeClass.REFUSED, CodeClass.MEDIA, CodeClass.QUOTA})

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for which account; `about` begins a sentence, `failure_type` is that of a lasting refusal."""

    account: str
    about: str
    failure_type: str


async def ask(
    accounts: Accounts, question: Question, method: Callable[[OfficialAccount, Token], Awaitable[Answer]]
) -> Answer:
    """One call of WeChat's API.

    Raises:
        ApplicationError: of the question's type, not retried, with `{errcode, errmsg, rid, token_endpoint, about}`,
            where a person has to change something first; `WechatUnavailable`, retried, otherwise.
    """
    try:
        return await accounts.ask(question.account, method)
    except NoToken as no_token:
        raise _failure(no_token, no_token.refused, question, token_endpoint=True) from None
    except Refused as refused:
        raise _failure(refused, refused, question) from None
    except (NotWritten, MaybeWritten) as error:
        raise wechat_unavailable(str(error)) from None


def _failure(
    error: Exception, refused: Refused | None, question: Question, *, token_endpoint: bool = False
) -> ApplicationError:
    if refused is None or refused.code.code_class not in _FOR_A_PERSON:
        return wechat_unavailable(str(error))
    evidence = {
        "errcode": refused.errcode,
        "errmsg": refused.errmsg,
        "rid": refused.rid,
        "token_endpoint": token_endpoint,
        "about": question.about,
    }
    return ApplicationError(str(error), evidence, type=question.failure_type, non_retryable=True)
