"""What a refusal means: one engine; operators/*.toml is the knowledge."""

from unlisted.replies.addresses import Pool
from unlisted.replies.classify import Meaning, as_json, classify
from unlisted.replies.families import family_of

__all__ = ["Meaning", "Pool", "as_json", "classify", "family_of"]
