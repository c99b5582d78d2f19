"""`qunfa freeze --all` while a send waits: nothing goes out until it is taken back."""

import os
import pty

import pytest

from tests.e2e.processes import ended
from tests.e2e.stage import Scene
from tests.e2e.test_recall_commands import typed

pytestmark = pytest.mark.long


def configured(scene: Scene) -> dict[str, str]:
    """This machine's configuration has the account."""
    of = f"QUNFA_ACCOUNTS__{scene.account.upper()}__"
    return {f"{of}APPID": scene.appid, f"{of}KIND": "service"}


async def answered(scene: Scene, said: str, *args: str) -> tuple[int, str, str]:
    """The command on a terminal where somebody answers its question: exit code, stdout, stderr."""
    master, slave = pty.openpty()
    process = await typed(scene, *args, stdin=slave, **configured(scene))
    os.write(master, said.encode())
    end = await ended(process)
    os.close(master)
    os.close(slave)
    return end.code, end.stdout, end.stderr


async def test_all_is_frozen_when_a_terminal_says_yes(scene: Scene) -> None:
    """It is asked first, with the accounts; a no changes nothing; a send waits, and goes out once after unfreeze."""
    code, _, asked = await answered(scene, "n\n", "freeze", "--all", "--reason", "wrong text")
    assert (code, f"{scene.account}\nFreeze these 1? [y/N]:" in asked) == (1, True), asked
    code, said, _ = await answered(scene, "y\n", "freeze", "--all", "--reason", "wrong text")
    assert (code, said.strip()) == (0, f"{scene.account}  {scene.appid}  FROZEN  nothing is in flight")
    handle = await scene.start()
    await scene.waits(handle, "frozen by wang: wrong text")
    assert scene.tries == []
    code, said, _ = await answered(scene, "y\n", "unfreeze", "--all")
    assert (code, f"{scene.account}  {scene.appid}  open" in said) == (0, True)
    assert (await scene.result(handle)).outcome == "sent"
    assert await scene.everyone_once()
