from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.accounts import Configuration, pinned
from qunfa.contract.steps import ACCOUNT_CHANGED, UNKNOWN_ACCOUNT, AccountFacts, Pinned, ResolveStep
from qunfa.settings import Settings
from tests.activities.conftest import APPID, SECRET, settings_for

URL = "https://wechat.example"


async def resolve(settings: Settings, name: str = "demo") -> AccountFacts:
    """The facts that a send pins."""
    return await ActivityEnvironment().run(Configuration(settings).resolve_account, ResolveStep(account=name))


async def test_an_account_is_resolved_to_its_facts() -> None:
    """Everything that a send pins comes from the configuration, and no secret with it."""
    settings = settings_for(URL, approval="all", quota="ask", send_hours=["08:00", "22:00"])
    facts = await resolve(
        settings.model_copy(update={"timing": settings.timing.model_copy(update={"pace": timedelta(7)})})
    )
    assert (facts.name, facts.appid, facts.base_url, facts.kind) == ("demo", APPID, URL, "service")
    assert (facts.approval, facts.quota, facts.send_hours) == ("all", "ask", ("08:00", "22:00"))
    assert facts.timing.pace == timedelta(7)
    assert facts.timing.window == settings.timing.window
    assert SECRET not in facts.model_dump_json()


async def test_send_hours_of_the_whole_day_are_none() -> None:
    """An account without send_hours has none to wait for."""
    assert (await resolve(settings_for(URL))).send_hours is None


@pytest.mark.parametrize(("accounts", "known"), [({}, "none at all"), ({"shop": "wx2", "crm": "wx1"}, "crm, shop")])
async def test_an_unknown_account_is_refused_with_the_names_that_are_known(accounts: Any, known: str) -> None:
    """The failure is final, and says what the name could have been."""
    configured = {name: {"appid": appid, "secret": SECRET, "kind": "service"} for name, appid in accounts.items()}
    with pytest.raises(ApplicationError, match=f"account demo: .*{known}") as failure:
        await resolve(Settings.model_validate({"accounts": configured}))
    assert (failure.value.type, failure.value.non_retryable) == (UNKNOWN_ACCOUNT, True)


def test_the_account_that_a_send_has_pinned_passes() -> None:
    """Nothing is refused while the configuration is as it was."""
    pinned(settings_for(URL), Pinned(name="demo", appid=APPID, base_url=URL))


@pytest.mark.parametrize(
    ("account", "found"),
    [
        (Pinned(name="gone", appid=APPID, base_url=URL), "no longer has an account"),
        (Pinned(name="demo", appid="wxOther", base_url=URL), f"now has the appid {APPID}"),
        (Pinned(name="demo", appid=APPID, base_url="https://other.example"), f"now has WeChat at {URL}"),
    ],
)
def test_a_changed_account_is_refused(account: Pinned, found: str) -> None:
    """A change of the configuration never redirects a send: the failure is final and says what has changed."""
    with pytest.raises(ApplicationError, match=found) as failure:
        pinned(settings_for(URL), account)
    assert (failure.value.type, failure.value.non_retryable) == (ACCOUNT_CHANGED, True)
