"""A scene after the delivery: the recall of one article."""

from tests.rehearsal.act import Act


async def recall(act: Act) -> None:
    """One article of two goes, the other one stays, and so do the cards in the followers' chats."""
    scene = act.scene
    act.does("crm sends two articles")
    handle = await scene.start(message=scene.news("<p>0</p>", "<p>1</p>"))
    result = await act.ends(handle, "sent")
    [job] = scene.jobs
    act.sees("two articles stand", when=len(job.article_urls) == 2 and not job.deleted)
    said = await act.types(
        *("recall", str(result.jobs[0].msg_id), "--article", "2"),
        *("--by", "li", "--reason", "wrong price", "--yes"),
    )
    act.sees("delivered cards stay visible", when="stay visible" in said.stdout)
    act.sees("article 2 is gone, article 1 stands", when=set(job.deleted) == {2})
    act.sees("the send is still sent", when=(await act.scene.status(handle)).jobs[0].state == "sent")
    await act.everyone_received()
