"""Secrets in files."""

from collections.abc import Iterable
from pathlib import Path

MAX_SECRET_BYTES = 4096


def read_secret(path: str | Path) -> str:
    """What stands in the file, without the white space around it."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_SECRET_BYTES + 1).decode()
    except OSError as error:
        raise ValueError(f"cannot read the secret file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the secret file {path} is not UTF-8 text") from None
    if len(text) > MAX_SECRET_BYTES:
        raise ValueError(f"the secret file {path} is longer than {MAX_SECRET_BYTES} bytes: is it the right file?")
    if not text.strip():
        raise ValueError(f"the secret file {path} is empty")
    return text.strip()


def with_secret_files(values: object, names: Iterable[str]) -> object:
    """The table with every `NAME_file` read into `NAME`."""
    if not isinstance(values, dict):
        return values
    resolved = dict(values)
    for name in names:
        path = values.get(f"{name}_file")
        if path is None:
            continue
        if values.get(name) is not None:
            raise ValueError(f"{name} and {name}_file are both set: keep one of them")
        if isinstance(path, str | Path):
            resolved[name] = read_secret(path)
    return resolved
