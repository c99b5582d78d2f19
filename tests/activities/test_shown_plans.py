"""What people read of a plan before they approve it, or start it: who gets the message, and who does not."""

from qunfa.batches.show import shown
from qunfa.cli.preview import plan_facts
from tests.activities.shelf import Shelf

TEN = tuple(f"oTen{number:06d}" for number in range(10))


async def test_a_plan_shows_who_is_taken_away(shelf: Shelf) -> None:
    """Bad lines of `minus` take nobody away: they are told there, and are not called left out of the audience."""
    all_ = shelf.put("all.txt", (*TEN, "x y")) | {"on_bad_line": "drop"}
    gone = shelf.put("gone.txt", (TEN[0], f"{TEN[1]} ", f"{TEN[2]} ", TEN[3])) | {"on_bad_line": "drop"}
    plan = await shelf.plan({"kind": "several", "of": [all_], "minus": [gone]})
    assert {TEN[1], TEN[2]} <= await shelf.people("spring")
    assert shown(plan, None)[1:4] == (
        f"part: the openids in {all_['uri']}: 10",
        f"excluded: the openids in {gone['uri']}: 2; 2 lines of it are no openids and exclude nobody",
        "left out: 0 duplicates, 1 lines that are no openids",
    )
    assert [fact for fact in plan_facts(plan) if fact[0] in {"parts", "excluded", "left out", ""}] == [
        ("parts", f"10 of the openids in {all_['uri']}, 1 lines left out"),
        ("excluded", f"2 of the openids in {gone['uri']}; 2 lines of it are no openids and exclude nobody"),
        ("left out", "1 lines, since they are no openids"),
    ]


async def test_a_plan_of_one_file_shows_which(shelf: Shelf) -> None:
    """Whoever approves several sends sees of each which list it is."""
    file = shelf.put("all.txt", TEN)
    to, part, _ = shown(await shelf.plan(file), None)
    assert to.startswith("to 10 openids in 1 batches, taken ")
    assert part == f"part: the openids in {file['uri']}: 10"
