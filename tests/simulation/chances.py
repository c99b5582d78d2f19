"""How often what happens in a life, and how far one life differs from another."""

from typing import Final

HAPPENINGS: Final[dict[str, float]] = {
    "wait": 6.0,
    "start": 4.0,
    "task": 25.0,
    "hear": 14.0,
    "say": 14.0,
    "repeat": 1.0,
    "continue": 1.6,
    "fly": 8.0,
    "hear_an_answer": 4.0,
    "push": 5.0,
    "forge": 2.0,
    "stranger": 0.3,
    "delete": 0.5,
    "arrive": 0.4,
    "answer": 6.0,
    "err": 0.1,
    "misfit": 0.25,
    "approve": 4.0,
    "hold": 0.35,
    "abort": 0.1,
    "freeze": 0.5,
    "unfreeze": 1.0,
    "cancel": 0.3,
    "lose_a_worker": 12.0,
    "terminate": 0.8,
    "reset": 1.2,
    "lose_a_ledger": 1.2,
    "reset_a_ledger": 0.7,
    "reset_all": 1.8,
    "forget_a_key": 0.8,
    "forget": 3.0,
    "tell_of_a_loss": 3.0,
}
"""How often what happens."""
SWARM: Final = (0.3, 1.0, 1.0, 5.0)
"""Each life has more of this and less of that: what is rare in all together is common in some."""
USUAL: Final = frozenset({"wait", "start", "task", "hear", "say", "fly", "push"})
UNUSUAL: Final = 0.25
"""In how many lives what is usual is more or less common, too."""
WORK: Final = frozenset({"task", "hear", "say", "fly", "hear_an_answer"})
IN_THE_MIDST: Final = 1.0
"""How often time passes although somebody has something to do."""
NEXT: Final = 0.75
"""How often time goes on to the next thing that is due."""
LOSING: Final = frozenset(
    {
        *("cancel", "lose_a_worker", "terminate", "reset", "lose_a_ledger", "reset_a_ledger", "reset_all", "forget"),
        *("forget_a_key", "reset_over"),
        *("arrive", "err", "repeat"),
    }
)
"""What does not happen in a gentle world."""
