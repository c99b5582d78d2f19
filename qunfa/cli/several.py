"""Options that take several values in a row: `--image a.png b.png`, as a shell expands `--image *.png`."""

from typing import Any, Final

from typer.core import TyperCommand

SEVERAL: Final = frozenset({"--image"})


class TakesSeveral(TyperCommand):
    """A command in which every word after such an option belongs to it, up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words with each value after an option of its own, which is what the parser knows."""
        return super().parse_args(ctx, spread(args))


def spread(args: list[str]) -> list[str]:
    """`--image a b` as `--image a --image b`; what follows `--` stays as it is."""
    words: list[str] = []
    option: str | None = None
    for number, word in enumerate(args):
        if word == "--":
            return [*words, *args[number:]]
        if word.startswith("-") and word != "-":
            option = word if word in SEVERAL else None
        elif option is not None and words[-1] != option:
            words.append(option)
        words.append(word)
    return words
