"""Send a text to all followers, or to a list, and tell what becomes of it: python send.py [KEY [LIST]]"""

import asyncio
import os
import sys
from datetime import UTC, datetime

from temporalio.client import Client

from qunfa.client import InvalidRequest, MassSendFailed, NoAnswer, Qunfa


async def main() -> int:
    # Your own key: the same whenever your service tries again, and another one for another message.
    key, *listed = sys.argv[1:] or [f"example-{datetime.now(UTC):%Y%m%d-%H%M%S}"]
    # A list is a file with an openid a line, in any number, by its URI: it goes out in batches.
    audience = {"kind": "openid_file", "uri": listed[0]} if listed else {"kind": "all"}
    qunfa = Qunfa(await Client.connect(os.environ.get("TEMPORAL_ADDRESS", "localhost:7233")))
    request = {
        "account": "demo",
        "key": key,
        "audience": audience,
        "message": {"msgtype": "text", "content": f"春季特卖今天开始 ({key})"},
        "requested_by": "crm",
    }
    try:
        handle = await qunfa.send(request)  # returns once the workers have checked all of it
        status = await handle.status()
        print(f"{handle.id} is {status.phase}, {status.progress.done} of {status.progress.jobs} jobs done")
        result = await handle.result()
    except InvalidRequest as error:
        print("refused:", *error.problems, sep="\n  ")
        return 1
    except MassSendFailed as error:
        perhaps = "may have been delivered" if error.result.may_have_been_delivered else "was not delivered"
        print(f"ended as {error.result.outcome}, and {perhaps}: {error}")
        return 1
    except NoAnswer as error:  # it may still go out: nobody takes another key for the same message
        print(f"not known: {error}")
        return 2
    print(f"{result.outcome}: {result.totals.sent if result.totals else 'an unknown number'} received it")
    return 0


async def run() -> int:
    try:
        return await main()
    finally:
        await asyncio.sleep(0.2)  # else Python may end before Temporal's threads, by a signal (sdk-python issue 300)


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
