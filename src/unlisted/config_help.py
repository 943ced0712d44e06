"""What an operator is told of each setting: its type, its default and its help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from unlisted.config import Config

# Help for the settings that are facts too (facts have no room for words to an operator).
FACT_HELP: dict[str, str] = {
    "pools.name": "the pool's name",
    "pools.addresses": "IP addresses of this machine that its mail leaves by",
    "pools.helo": "the name they give in EHLO; it should resolve to them",
    "pools.epoch_s": "seconds until each sender draws its address anew",
    "pools.watched": "another MTA sends by them and its log is watched; we send nothing by them",
    "lists.zone": "the list's DNS zone, as list.example",
    "lists.term_s": "seconds it lists after the last evidence; none: not known",
    "lists.requests": "who may ask it for delisting: never, owner, anyone, unknown",
    "policy.suspicion_wait_s": "longest wait of mail whose reply only may have blamed us",
    "policy.hold_s": "life of a hold that nobody releases",
    "policy.books_s": "how long bounced mail is kept for a re-send",
    "policy.give_up_s": "age at which undelivered mail is returned (RFC 5321 §4.5.4.1)",
    "policy.clean_days": "days without blame after which a sender counts as clean",
    "policy.explain_every_s": "how often causes are ranked again while an episode is open",
    "policy.sample": "messages let through of a sender that is only probable, to learn from them",
    "policy.sample_every_s": "how often such a sample is let through",
    "policy.probe_every_s": "how often a list is asked while an episode is open",
    "policy.stop_watch_s": "silence of the named senders that counts as stopped",
    "policy.shadow_s": "how long a rule runs in shadow before it may act",
    "policy.reopen_every_s": "first pause before a resting path is tried again; it doubles",
    "policy.drop_after_s": "age of a receiver's last refusal by a list from which it is asked if it still follows it",
    "policy.trial_letters": "letters in a row a receiver must take before a path still listed opens",
    "policy.wake_batch": "rows woken at a time when a path accepts again",
    "policy.wake_every_s": "pause between two such batches",
    "policy.calm_s": "time of usual refusals over all paths before an incident is closed",
    "policy.band_s": "time each path's refusals must be as before the incident until an episode closes",
    "policy.band_attempts": "attempts on each path to tell that; 11 show who refuses every fourth",
    "policy.band_max_s": "longest wait for them; an episode that closes with fewer says so",
    "policy.relisting_watch_s": "how long after an episode its list is watched for a relisting",
    "policy.relisting_ask_s": "how often the list is asked in that time",
    "policy.update_first_s": "a public update at least this often at first",
    "policy.update_first_span_s": "how long 'at first' is",
    "policy.update_then_s": "a public update at least this often after that",
    "policy.update_margin_s": "how long before its deadline an update is posted",
    "policy.posts_by": "who writes updates: policy, or person (who then gets drafts and is called)",
    "policy.draft_margin_s": "how long before its deadline a person gets a draft",
    "policy.duty_margin_s": "how long before its deadline the person on duty is called",
    "policy.approve_posts": "posts, the policy's too, wait until an approver releases them",
    "policy.incident_blocked_share": "share of our addresses blocked that makes an incident",
    "policy.incident_refused_share": "share of an hour's attempts surely refused that makes one",
    "policy.incident_waiting": "messages waiting that make one; less than all three: an advisory",
    "policy.approve_own_posts": "an approver may release what they wrote themselves",
    "policy.resend_by": "who starts a re-send of bounced mail: policy, or person (operator or sender)",
    "policy.resend_batch": "messages sent again at a time from one address to one receiver",
    "policy.resend_every_s": "pause between two such batches; it doubles while some are doubted",
}
_HINTS: dict[Any, dict[str, Any]] = {}


def hints_of(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = get_type_hints(cls, include_extras=True)
    return _HINTS[cls]


class Setting(msgspec.Struct, frozen=True):
    """One row of the table of settings."""

    name: str
    type: str
    default: str
    help: str


def help_of(cls: type[Any], field: str, path: tuple[str | int, ...]) -> str:
    """A field's help."""
    hint = hints_of(cls)[field]
    for extra in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        if isinstance(extra, Meta) and extra.description:
            return extra.description
    return FACT_HELP.get(".".join(part for part in path if isinstance(part, str)), "")


def settings(cls: type[Any] = Config, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every setting with its type, default and help, in the table's order."""
    hints = hints_of(cls)
    for field in msgspec.structs.fields(cls):
        here = (*path, field.encode_name)
        hint = hints[field.name]
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        inner = get_args(bare)[0] if get_origin(bare) is tuple else bare
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from settings(inner, here)
            continue
        if field.required:
            default = "required"
        elif field.default is msgspec.NODEFAULT:
            default = "none"
        else:
            default = _shown_default(field.default)
        yield Setting(".".join(here), _type_name(bare), default, help_of(cls, field.name, here))


def _type_name(hint: Any) -> str:
    names = {str: "text", int: "int", float: "number", bool: "true or false"}
    if get_origin(hint) is tuple:
        return f"list of {_type_name(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "table"
    if type(None) in get_args(hint):
        return _type_name(get_args(hint)[0])
    return names.get(hint, str(hint))


def _shown_default(value: Any) -> str:
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)
