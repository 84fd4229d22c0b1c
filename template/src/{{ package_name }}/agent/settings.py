"""Your settings, validated at start-up and documented with the others. Import nothing else of this package here."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class AgentSettings(BaseSettings):
    """Each field is an environment variable of the same name."""

    NOTES_PER_OWNER_MAX: int = Field(100, ge=1, description="The most notes that the agent keeps for one user.")
