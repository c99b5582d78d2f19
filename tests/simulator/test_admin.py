import pytest

from tests.simulator.api import CALLBACK_TOKEN, SECRET, Start


async def test_accounts_are_told_without_secrets(start: Start) -> None:
    """What an account is and has used; not its secret and not its callback's token."""
    api = await start()
    await api.sendall()
    response = await api.http.get("/_sim/accounts")
    assert SECRET not in response.text
    assert CALLBACK_TOKEN not in response.text
    [account] = response.json()["accounts"]
    assert (account["name"], account["kind"], account["followers"], account["mass_calls_today"]) == (
        "demo", "service", 20, 1,
    )  # fmt: skip


async def test_jobs_can_be_looked_up(start: Start) -> None:
    """By account, clientmsgid or msg_id."""
    api = await start()
    ids = [(await api.sent(clientmsgid=name)).msg_id for name in ("a", "b")]
    for query, expected in {
        "": ids,
        "?clientmsgid=b": ids[1:],
        f"?msg_id={ids[0]}": ids[:1],
        "?account=demo": ids,
        "?account=nobody": [],
    }.items():
        assert [job["msg_id"] for job in (await api.sim(f"jobs{query}"))["jobs"]] == expected


async def test_a_reset_begins_anew(start: Start) -> None:
    """Jobs, calls, counters, plans and the clock are as the configuration has them."""
    api = await start(sim={"faults": [{"kind": "slow", "seconds": 0, "endpoint": "token"}]})
    await api.sent()
    await api.sim("faults", method="DELETE", expect=204)
    await api.advance(86400)
    answer = await api.sim("reset", {})
    assert answer["now"].startswith("2026-12-15T12:00:0")
    assert (await api.sim("jobs"))["jobs"] == []
    assert (await api.sim("calls"))["calls"] == []
    assert len((await api.sim("faults"))["faults"]) == 1
    assert (await api.sim("ledger"))["accounts"]["demo"]["reached"] == 0


@pytest.mark.parametrize("decision", ["confirm", "refuse"])
async def test_the_administrator_decides_only_on_what_waits(start: Start, decision: str) -> None:
    """404 for an account that is not there and for one without a waiting send."""
    api = await start(admin_confirmation=True)
    await api.sent(tag=2)
    await api.sim(f"accounts/demo/{decision}", {}, expect=404)
    await api.sim(f"accounts/nobody/{decision}", {}, expect=404)


async def test_the_administrator_decides_on_one_of_several(start: Start) -> None:
    """With a msg_id the others go on waiting."""
    api = await start(admin_confirmation=True)
    first, second = [(await api.sendall(tag=None, clientmsgid=name))["msg_id"] for name in ("a", "b")]
    assert await api.sim("accounts/demo/refuse", {"msg_id": second}) == {"refused": [second]}
    assert await api.sim("accounts/demo/confirm", {}) == {"confirmed": [first]}
    await api.world.settled()
    assert [job.status for job in api.world.jobs] == ["send success", "err(40001)"]


async def test_an_unknown_path_is_not_found(start: Start) -> None:
    """404, as for any server."""
    api = await start()
    assert (await api.http.get("/cgi-bin/nothing")).status_code == 404
    assert (await api.http.post("/_sim/health")).status_code == 405
