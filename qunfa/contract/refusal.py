"""The refusal of an input that cannot be carried out as it stands."""

from qunfa.contract.sentences import full_stop


class InvalidRequestError(Exception):
    """A request that cannot be carried out as it stands; ``problems`` has one sentence per wrong field."""

    def __init__(self, problems: list[str]) -> None:
        sentences = "; ".join(problem.rstrip(".") for problem in problems)
        super().__init__(full_stop(f"The request was refused and nothing was sent: {sentences}"))
        self.problems = problems
