"""A workflow that always has a near timer, and one that is not the `MassSend` it is named for."""

from temporalio import workflow

METRONOME = "Metronome"


@workflow.defn(name=METRONOME, sandboxed=False)
class Metronome:
    """Has a timer every half hour.

    The time-skipping server leaps to the next timer, whichever it is, and it has one for each workflow's own time-out,
    ten years ahead: between two steps of a send it would now and then leap there. Each tick costs a
    workflow task, which makes days long.
    """

    @workflow.run
    async def run(self) -> None:
        while True:
            await workflow.sleep(1_800)


@workflow.defn(name="MassSend")
class OtherMassSend:
    """Another order of commands under the same name."""

    @workflow.run
    async def run(self, request: object = None, carried: object = None) -> None:
        await workflow.sleep(1)


@workflow.defn(name="MassSendInBatches")
class OtherInBatches:
    """The same for a send in batches."""

    @workflow.run
    async def run(self, request: object = None, carried: object = None) -> None:
        await workflow.sleep(1)
