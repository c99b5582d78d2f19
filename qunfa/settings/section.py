"""One table of the configuration."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of the configuration: frozen, without unknown keys, and silent about its values in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
