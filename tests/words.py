"""What strangers may put into a text to steer a terminal, to forge a line, or to hide something."""

from typing import Final

STEERING: Final = frozenset(
    chr(code)
    for codes in (
        range(0x20), range(0x7F, 0xA0), range(0x202A, 0x202F), range(0x2066, 0x206A), (0x2028, 0x2029, 0xFEFF, 0x200B),
        range(0xD800, 0xE000), range(0xE0000, 0xE0080),
    )
    for code in codes
)  # fmt: skip
"""C0, DEL, C1, bidi controls, line ends, half surrogates, what is not seen, tags."""
CORPUS: Final = (
    "\x1b]52;c;cm0gLXJmIH4=\x07", "\x1b[2J\x1b[1;1H", "a\n2026-12-01T09:00:00Z [info     ] unfrozen by the owner",
    "a\r\nb\x0bc\x0cd\x85e\u2028f\u2029g", "\x9b31m\x90q\x9c", "\x7f\x08\x00", "\u202egnp.exe\u202c",
    "\u2066a\u2069\u202a\u202b\u202d", "\ufeffa\u200bb\u00ad", "\ud83d", "a\udc00", "\U000e0041\U000e007f\U000e0001",
    "".join(sorted(STEERING - set(map(chr, range(0xD800, 0xE000))))),
)  # fmt: skip
KEPT: Final = ("春季　特卖", "👨\u200d👩\u200d👧 葛\U000e0100", "a\xa0b", "שלום", "نص", "क\u200dष", "\\u001b")
"""What is text, and stays as it is."""
