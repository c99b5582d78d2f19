"""Whether WeChat will take a file, said before anything is uploaded."""

from datetime import timedelta

from qunfa.media.facts import MediaFacts
from qunfa.media.kinds import Format, Kind
from qunfa.media.limits import KB, LIMITS, MB, VOICE_SLACK, WHOLE_PIXELS_MAX, Limit, Use

_HINT = "; `fit_images` would make it fit"
_PICTURES = frozenset({Use.IMAGE, Use.THUMB, Use.COVER, Use.PICTURE})
_FITTED = frozenset({Format.PNG, Format.JPEG, Format.GIF, Format.BMP, Format.WEBP, Format.AVIF})


def check(facts: MediaFacts, use: Use, place: str) -> list[str]:
    """All that keeps WeChat from taking a file, one sentence each, beginning with its place in the request.

    `place` is the field that names the file, such as `message.articles[2].thumb`. An empty list: nothing is known
    against it.
    """
    return [f"{place}: {problem}" for problem in _problems(facts, use)]


def warnings(facts: MediaFacts, use: Use, place: str) -> list[str]:
    """What WeChat's pages contradict each other about: it may be refused, and is not by us."""
    advised = LIMITS[use].advised_bytes
    if advised is None or facts.size <= advised or check(facts, use, place):
        return []
    return [
        f"{place}: is {_size(facts.size)}; WeChat may refuse more than {_size(advised)}, its own page is of two minds"
    ]


def _problems(facts: MediaFacts, use: Use) -> list[str]:
    limit = LIMITS[use]
    if facts.format is Format.EMPTY:
        return ["is empty (0 bytes)"]
    hint = _HINT if use in _PICTURES and can_be_fitted(facts) else ""
    found = []
    if facts.format not in limit.formats:
        found.append(f"is {_called(facts)}; WeChat takes only {_either(limit.formats)} for {limit.title}{hint}")
    if facts.kind is not limit.formats[0].kind:
        return found
    if facts.damage:
        found.append(facts.damage)
    if facts.size > limit.bytes_max:
        found.append(f"is {_size(facts.size)}; WeChat takes {limit.said} for {limit.title}{hint}")
    return found + _too_long(facts, limit)


def can_be_fitted(facts: MediaFacts) -> bool:
    """Whether it is worth trying to re-encode a picture."""
    if facts.format not in _FITTED or facts.damage or facts.animated:
        return False
    return facts.format is Format.JPEG or (facts.width or 0) * (facts.height or 0) <= WHOLE_PIXELS_MAX


def _too_long(facts: MediaFacts, limit: Limit) -> list[str]:
    if limit.duration_max is None or facts.duration is None or facts.duration <= limit.duration_max + VOICE_SLACK:
        return []
    return [f"plays {_seconds(facts.duration)}; WeChat takes at most {_seconds(limit.duration_max)} for {limit.title}"]


def _called(facts: MediaFacts) -> str:
    if facts.kind is Kind.OTHER:
        return facts.format.label
    return f"{_article(facts.format.label)} {facts.format.label} {facts.kind}"


def _article(title: str) -> str:
    return "an" if title.startswith(("A", "MP", "M4")) else "a"


def _either(formats: tuple[Format, ...]) -> str:
    titles = [one.label for one in formats]
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} or {titles[-1]}"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():,.1f} s".replace(".0 s", " s")


def _size(size: int) -> str:
    unit, name = (MB, "MB") if size >= MB else (KB, "KB")
    return f"{size / unit:,.1f} {name} ({size:,} bytes)"
