"""WeChat's evidence of a refusal as people see it: each part once."""

import re


def evidence(errcode: int | None, errmsg: str | None, rid: str | None) -> dict[str, object]:
    """``errcode``, ``errmsg`` and ``rid``, as far as they are known.

    WeChat's text holds the rid, too (``quota is used up rid: 64f0-1234``): it is left out there.
    """
    said = re.sub(rf"[\s,;]*\brid:?\s*{re.escape(rid)}", "", errmsg).strip() if errmsg and rid else errmsg
    parts = {"errcode": errcode, "errmsg": said or None, "rid": rid}
    return {name: value for name, value in parts.items() if value is not None}


def evidence_words(errcode: int | None, errmsg: str | None, rid: str | None) -> str:
    """The same in one line; nothing where nothing is known."""
    return ", ".join(f"{name} {value}" for name, value in evidence(errcode, errmsg, rid).items())
