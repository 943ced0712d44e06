"""What a refusal means: one engine; operators/*.toml is the knowledge."""

from unlisted.replies.classify import Meaning, classify
from unlisted.replies.families import family_of

__all__ = ["Meaning", "classify", "family_of"]
