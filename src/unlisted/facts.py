"""Everything that can happen: one frozen struct for each kind of fact.

Observed facts come from the edge and are authoritative; derived facts come from stations and
must be reproduced by a replay of the observed ones. Delivery kinds take names and fields from
KumoMTA's log record. A fact holds no real duration, ephemeral port, batch size or wall-clock id.

Evolution: fields are only added, with defaults; a name or tag is never reused. People appear as
keyed hashes (`person`); addresses live in the journal's table `personal` and can be erased.
Times are seconds since the Unix epoch, UTC. `done` names the command that a fact completes.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

LOGIC = 3  # version of the stations' logic; derived facts are compared byte for byte within one


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """A dated record. `at`: simulated or real seconds since the Unix epoch, UTC."""

    observed: ClassVar[bool] = False
    at: float


class Observed(Fact, frozen=True, kw_only=True):
    """What the edge saw. `done`: idempotency key of the command whose outcome this is."""

    observed: ClassVar[bool] = True
    done: str | None = None


class Recipient(msgspec.Struct, frozen=True):
    """One recipient of an envelope: keyed hash of the address, and its domain in clear."""

    person: str
    domain: str


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Egress addresses that share a name, a domain and a HELO; `epoch_s`: life of one draw.

    `watched`: another MTA sends by them and we read its log; nothing is sent by us.
    """

    name: str
    addresses: tuple[str, ...]
    helo: str
    epoch_s: float = 3600.0
    watched: bool = False


class ListTerm(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator knows of a blocklist. `requests`: never, owner, anyone, unknown."""

    zone: str
    term_s: float | None = None
    requests: str = "unknown"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Every figure the stations decide by (seconds unless the name says otherwise)."""

    suspicion_wait_s: float = 7200.0
    hold_s: float = 7 * 86400.0
    books_s: float = 72 * 3600.0
    give_up_s: float = 5 * 86400.0
    clean_days: int = 30
    explain_every_s: float = 120.0
    sample: int = 8
    sample_every_s: float = 300.0
    probe_every_s: float = 900.0
    stop_watch_s: float = 600.0
    shadow_s: float = 1800.0
    reopen_every_s: float = 900.0
    drop_after_s: float = 86400.0
    trial_letters: int = 5
    wake_batch: int = 25
    wake_every_s: float = 60.0
    calm_s: float = 7200.0
    band_s: float = 7200.0
    band_attempts: int = 11
    band_max_s: float = 6 * 3600.0
    relisting_watch_s: float = 45 * 86400.0
    relisting_ask_s: float = 86400.0
    update_first_s: float = 1800.0
    update_first_span_s: float = 7200.0
    update_then_s: float = 4 * 3600.0
    update_margin_s: float = 300.0
    posts_by: str = "policy"
    draft_margin_s: float = 1800.0
    duty_margin_s: float = 600.0
    approve_posts: bool = False
    approve_own_posts: bool = False
    incident_blocked_share: float = 0.5
    incident_refused_share: float = 0.25
    incident_waiting: int = 1000
    resend_by: str = "policy"
    resend_batch: int = 25
    resend_every_s: float = 60.0


# What may be told to webhooks, and to the operator's people.
EVENTS = (
    "incident.opened", "post.published", "post.corrected", "deadline.moved", "deadline.missed",
    "incident.revised", "incident.merged", "incident.split", "incident.closed", "review.published",
)  # fmt: skip
NOTICES = ("duty", "draft", "deadline", "episode", "feed", "fault", "webhook")


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook by its keyed hash (its address may hold a secret), and the events it is told."""

    hook: str
    events: tuple[str, ...]


# ---------------------------------------------------------------- observed


class Configured(Observed, frozen=True, tag=True):
    """The service started with this configuration (recorded when it differs from the last).

    `receivers`: (domain, receiver) where static routes show that domains share one site.
    `webhooks`, `notices`: who is told what of events.
    """

    hostname: str
    pools: tuple[Pool, ...]
    lists: tuple[ListTerm, ...] = ()
    lookups: bool = False
    local_domains: tuple[str, ...] = ()
    receivers: tuple[tuple[str, str], ...] = ()
    policy: Policy = Policy()
    webhooks: tuple[Subscription, ...] = ()
    notices: tuple[str, ...] = ()


class SenderHistory(Observed, frozen=True, tag=True):
    """What a sender did before the journal began.

    `days`: oldest first, each (messages, recipients, new recipients, unknown users, complaints).
    `correspondents`: keyed hashes of the addresses it wrote to.
    """

    sender: str
    tenant: str
    until: float
    days: tuple[tuple[int, int, int, int, int], ...]
    correspondents: tuple[str, ...] = ()


class Reception(Observed, frozen=True, tag=True):
    """A message was accepted (recorded and committed before the 250).

    `id`: "m" + the fact's number. `origin`: login, host, ndr, unknown. `digest`: of the
    normalised body, in hex. `fingerprint`: see campaigns. `null_sender`: MAIL FROM:<>.
    `subject`, `message_id`: keyed hashes of what the header says, "" where it says nothing.
    """

    id: str
    sender: str
    tenant: str
    origin: str
    reverse_path: str
    recipients: tuple[Recipient, ...]
    size: int
    digest: str
    fingerprint: str
    null_sender: bool = False
    subject: str = ""
    message_id: str = ""


class Rejection(Observed, frozen=True, tag=True):
    """A submission was refused at SMTP time because of a hold. `recipients`: how many."""

    sender: str
    tenant: str
    hold: str
    recipients: int = 1


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A queue row: one recipient of one message, all a station needs to decide about it.

    `key`: message id "." recipient index. `state`: due (waits for a time), wait (for a
    condition), held, out (handed to the edge), booked (bounced, kept for a re-send).
    `drawn`: address of the first draw; `moved`: it was tried by another address after a refusal.
    `refused`: replies so far that blamed us. `watched`: read from another MTA's log, which alone
    acts on it: it is in no queue of ours, and nothing is ever ordered about it; only such a row has
    `reverse_path`. `again`: it bounced and is sent again, until then. `unknown`: it was handed over
    once and no answer came.
    """

    key: str
    message: str
    sender: str
    tenant: str
    recipient: str
    domain: str
    first_at: float
    state: str = "due"
    address: str = ""
    drawn: str = ""
    attempts: int = 0
    refused: int = 0
    moved: bool = False
    campaign: str = ""
    digest: str = ""
    known: bool = False
    null_sender: bool = False
    due: float | None = None
    waits_for: str = ""
    until: float | None = None
    watched: bool = False
    again: float = 0.0
    unknown: bool = False
    reverse_path: str = ""
    subject: str = ""
    message_id: str = ""


class Outcome(Observed, frozen=True, kw_only=True):
    """What came of one attempt. The row is the one the command carried, before the attempt.

    `receiver`: the remote site; `stage`: connect, greeting, ehlo, mail, rcpt, data, eod.
    `text`: diagnostic text, the people's addresses in it replaced by their keyed hashes.
    """

    row: Row
    address: str
    receiver: str
    code: int = 0
    enhanced: str | None = None
    text: str = ""
    stage: str = "eod"


class Delivery(Outcome, frozen=True, tag=True):
    """The receiver took the message: 2yz after the final dot."""


class TransientFailure(Outcome, frozen=True, tag=True):
    """4yz, or no usable conversation at all (code 0)."""


class Bounce(Outcome, frozen=True, tag=True):
    """5yz."""


class NotAttempted(Outcome, frozen=True, tag=True):
    """The path or the sender was closed between the command and its turn; `text` says why."""


class Departing(Observed, frozen=True, tag=True):
    """The content of a re-send is about to leave under `command`: should nothing more be heard of
    it, its outcome is unknown, and it is not sent once more by itself.
    """

    key: str
    message: str
    command: str


class Carried(Observed, frozen=True, tag=True):
    """What one receiver took from one address of a watched MTA within a minute, counted.

    `senders`: (sender, recipients); the sender "": the log does not say. Refusals and failures of
    watched mail are facts of their own, TransientFailure and Bounce of a watched row.
    """

    address: str
    receiver: str
    senders: tuple[tuple[str, int], ...]


class FeedSilent(Observed, frozen=True, tag=True):
    """An input of ours has said nothing for longer than it ever does: `usual_s` is its rhythm."""

    feed: str
    last_at: float
    usual_s: float


class FeedHeard(Observed, frozen=True, tag=True):
    """An input that was silent speaks again."""

    feed: str
    silent_s: float


class PathTested(Observed, frozen=True, tag=True):
    """A transaction without mail (MAIL, RCPT postmaster, RSET) through one path was answered."""

    address: str
    receiver: str
    code: int
    enhanced: str | None = None
    text: str = ""
    stage: str = "rcpt"


class Due(Observed, frozen=True, tag=True):
    """The loader took this row from the queue: its time or its condition came (`why`)."""

    row: Row
    why: str


class Woken(Observed, frozen=True, tag=True):
    """A Wake command is done: so many rows were taken, so many still wait."""

    waits_for: str
    taken: int
    left: int


class TimerFired(Observed, frozen=True, tag=True):
    """A timer that a station set came due."""

    key: str


class ProbeAnswered(Observed, frozen=True, tag=True):
    """A blocklist's answer about one egress address. `state`: listed, clean, unknown (`why`)."""

    zone: str
    address: str
    state: str
    codes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    why: str = ""


class FeedbackReceived(Observed, frozen=True, tag=True):
    """A feedback report (ARF). Unknown message or sender: None. `feedback_type`: abuse, …"""

    feedback_type: str
    message: str | None = None
    sender: str | None = None
    recipient: str | None = None
    reporter: str = ""


class RecordImported(Observed, frozen=True, tag=True):
    """Somebody published a service-health record of another source. `record`: as JSON of
    `health.record.Record`; a later one of the same `id` replaces it. `digest`: SHA-256 of the page.
    """

    id: str
    record: str
    digest: str
    actor: str


class PostSubmitted(Observed, frozen=True, tag=True):
    """A person handed in a post of an open incident. `sections`: (label, text), figures in it as
    `{{ name }}`. `corrects`: number of the post that it revises; None: an update. `role`: the
    author's roles.
    """

    incident: str
    author: str
    sections: tuple[tuple[str, str], ...]
    next_update_by: float | None = None
    corrects: int | None = None
    role: str = ""


class PostReviewed(Observed, frozen=True, tag=True):
    """Somebody approved draft number `draft` of an incident, or sent it back with a reason."""

    incident: str
    draft: int
    approver: str
    approve: bool
    reason: str = ""
    role: str = ""


class RevisionSubmitted(Observed, frozen=True, tag=True):
    """A person revised what an incident tells. `changes`: (field, value as given), fields as in
    `IncidentRevised`."""

    incident: str
    author: str
    changes: tuple[tuple[str, str], ...]
    why: str
    role: str = ""


class MergeSubmitted(Observed, frozen=True, tag=True):
    """A person said that a closed incident was a part of another one."""

    incident: str
    into: str
    author: str
    why: str
    role: str = ""


class SplitSubmitted(Observed, frozen=True, tag=True):
    """A person said that these ended episodes were an incident of their own."""

    incident: str
    episodes: tuple[str, ...]
    author: str
    why: str
    role: str = ""


class ReviewWritten(Observed, frozen=True, tag=True):
    """A person added to the review of a closed incident, or published it (`publish`).

    `sections`: (label, text); the numbers in them are among the review's. The last one stands, and
    the review it belongs to is that of the facts before it.
    """

    incident: str
    author: str
    sections: tuple[tuple[str, str], ...] = ()
    publish: bool = False


class ResendOrdered(Observed, frozen=True, tag=True):
    """A person switched a re-send on: an operator for an episode, or a sender, by the link in its
    NDR, for one row (`key`). `unknown_outcome`: also what may have arrived already.
    """

    actor: str
    reason: str
    episode: str | None = None
    key: str | None = None
    unknown_outcome: bool = False


class WebhookAnswered(Observed, frozen=True, tag=True):
    """A webhook was called about one event (`delivery`: its webhook-id), or could not be: code 0,
    and `why`."""

    hook: str
    delivery: str
    event: str
    code: int = 0
    why: str = ""


class NoticeSent(Observed, frozen=True, tag=True):
    """A notice to the operator's people was handed to so many of their services; others failed.
    `why`: which kinds of service failed, no more."""

    notice: str
    what: str
    reached: int = 0
    failed: int = 0
    why: str = ""


class Acted(Observed, frozen=True, tag=True):
    """A person did something on the operator's page or by command.

    `act`: release_hold (of a hold), retire_rule (of a rule), sign_in, sign_out, add_person,
    change_person, remove_person; `target`: its name. `role`: the actor's roles; token: whoever
    holds the token of the state folder.
    """

    actor: str
    act: str
    target: str
    reason: str = ""
    role: str = ""


class SignInsRefused(Observed, frozen=True, tag=True):
    """So many sign-ins on the operator's page were refused from `since` to `at`. `names`: of the
    people that there are, those that were tried."""

    since: float
    count: int
    names: tuple[str, ...] = ()


# ---------------------------------------------------------------- derived


class Accepted(Fact, frozen=True, tag=True):
    """accept: what the message is near to. `size`: members of its campaign so far."""

    message: str
    campaign: str
    size: int


class Queued(Fact, frozen=True, tag=True):
    """deliver: the row's new content (the queue table is the projection of these)."""

    row: Row
    why: str = ""
    because: tuple[int, ...] = ()


class Routed(Fact, frozen=True, tag=True):
    """deliver: the draw of an egress address: address, its probability, among how many.

    `why`: draw (keyed rotation), redraw (the drawn address rests, the sender is cleared),
    moved (refused before, judged clean), kept (a retry by the same address).
    """

    key: str
    message: str
    sender: str
    domain: str
    pool: str
    address: str
    probability: float
    epoch: int
    among: int
    why: str


class Settled(Fact, frozen=True, tag=True):
    """deliver: the row is finished. `how`: delivered, bounced, expired, superseded, discarded."""

    key: str
    message: str
    how: str
    because: tuple[int, ...] = ()


class Failed(Fact, frozen=True, tag=True):
    """sense: a reply that blames neither our addresses nor their network. `reason`: Sisimai's.
    `stage`: where the conversation ended without a reply.
    """

    row: Row
    address: str
    receiver: str
    reason: str
    temporary: bool
    code: int
    enhanced: str | None = None
    text: str = ""
    rule: str = ""
    stage: str = ""


class Refusal(Fact, frozen=True, tag=True):
    """sense: a reply that blames the reputation of the sending address or its network.

    `zone`: the list it names; None: it names none. `retry`: same_later, slow_down,
    other_address, after_delisting, never.
    """

    row: Row
    address: str
    receiver: str
    zone: str | None
    retry: str
    code: int
    enhanced: str | None = None
    text: str = ""
    rule: str = ""
    temporary: bool = False
    stage: str = ""


class Suspicion(Fact, frozen=True, tag=True):
    """sense: a reply that may be a refusal; its words do not tell."""

    row: Row
    address: str
    receiver: str
    code: int
    enhanced: str | None = None
    text: str = ""
    rule: str = ""
    temporary: bool = False
    stage: str = ""


class EpisodeOpened(Fact, frozen=True, tag=True):
    """sense: one address is blocked: on a list (`zone`) or at one receiver no list explains.

    `basis`: reply+dns, shift, replies (watched mail, no list asked). `since`: first refusal. `refusals` of `attempts`
    at that moment. `parent`: the list's episode that a nameless one belongs to. Where no list is
    named, `chances`, `settles` and `contrast` are as in Contrasted.
    """

    episode: str
    address: str
    zone: str | None
    receiver: str | None
    basis: str
    since: float
    refusals: int
    attempts: int
    parent: str | None = None
    because: tuple[int, ...] = ()
    chances: tuple[tuple[str, float], ...] = ()
    settles: str = ""
    contrast: str = ""


class Contrasted(Fact, frozen=True, tag=True):
    """sense: refusals at one receiver rose, no list explains them, and it need not be the address.

    `chances`: address (a list that several receivers ask), receiver (its own list), all (content or
    domain, whatever the address), one_sender, usual, likeliest first. `settles`: which observation
    tells the likeliest two apart. `contrast`: the counts it rests on.
    """

    address: str
    receiver: str
    refusals: int
    attempts: int
    chances: tuple[tuple[str, float], ...]
    settles: str
    contrast: str
    because: tuple[int, ...] = ()


class ReleasePredicted(Fact, frozen=True, tag=True):
    """delist: when the list should let go if nothing new is reported. None: not known."""

    episode: str
    release_at: float | None
    low: float | None
    high: float | None
    basis: str
    because: tuple[int, ...] = ()


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One sender's expected share of the evidence behind an episode, with its interval.

    `standing`: guilty, probable, open, cleared. `by`: what its standing rests on: answers, draws,
    both. `kind`: sender, or campaign where its campaign stands for it. `log_e`: ln of how much
    likelier its draws are had it caused listings. `episodes_for`, `episodes_against`: those it
    likely caused, and those that came while it mailed by another address only.
    """

    sender: str
    tenant: str
    share: float
    low: float
    high: float
    reasons: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    messages: int = 0
    guilty: bool = False
    standing: str = ""
    by: str = ""
    kind: str = "sender"
    probability: float | None = None
    log_e: float | None = None
    episodes_for: tuple[str, ...] = ()
    episodes_against: tuple[str, ...] = ()


class CausesRanked(Fact, frozen=True, tag=True):
    """explain: who caused the episode. `verdict`: guilty, probable, not enough evidence,
    nobody here. `named`: senders called guilty. `need`: what would settle it, in words.

    `drawn`: our own routing drew the address. `rival`: what explains this episode without a sender
    of ours, range, list error or unknown, and how likely the first two are. `weighed`: listings that
    were weighed together; `nobody_odds`: how much likelier their draws are if nobody here caused a
    tenth of them; `episodes_needed`: about how many more would name the likeliest. None: not known.
    """

    episode: str
    verdict: str
    named: tuple[str, ...]
    shares: tuple[Share, ...]
    window_s: float
    need: str = ""
    because: tuple[int, ...] = ()
    drawn: bool = True
    rival: str = ""
    range_probability: float | None = None
    error_probability: float | None = None
    nobody_odds: float | None = None
    others_share: float | None = None
    weighed: int = 0
    episodes_needed: int | None = None
    reason: str = ""


class SenderHeld(Fact, frozen=True, tag=True):
    """contain: a sender's mail within `scope` is held until `expires_at` or its release."""

    hold: str
    sender: str
    tenant: str
    scope: str
    campaigns: tuple[str, ...]
    reason: str
    expires_at: float
    episode: str
    because: tuple[int, ...] = ()


class HoldReleased(Fact, frozen=True, tag=True):
    """contain: a hold ended: by a person (`actor`) or by its expiry."""

    hold: str
    sender: str
    actor: str
    why: str
    because: tuple[int, ...] = ()


class SourceStopped(Fact, frozen=True, tag=True):
    """contain: nothing of the named senders' scope left any more since `since`."""

    episodes: tuple[str, ...]
    senders: tuple[str, ...]
    since: float
    evidence: str
    because: tuple[int, ...] = ()


class RuleStepped(Fact, frozen=True, tag=True):
    """prevent: a rule moved: draft, shadow, enforced, retired; with its counts."""

    rule: str
    campaign: str
    old: str
    new: str
    matched: int
    other_senders: int
    why: str
    because: tuple[int, ...] = ()


class DelistingAdvised(Fact, frozen=True, tag=True):
    """delist: what the list's etiquette allows now, in words, after SourceStopped."""

    episode: str
    requests: str
    advice: str
    because: tuple[int, ...] = ()


class Delisted(Fact, frozen=True, tag=True):
    """delist: the list answers clean again; it let go between `low` and `high`."""

    episode: str
    low: float
    high: float
    because: tuple[int, ...] = ()


class Relisted(Fact, frozen=True, tag=True):
    """delist: the list lists the address again before the episode was closed."""

    episode: str
    because: tuple[int, ...] = ()


class PathRested(Fact, frozen=True, tag=True):
    """deliver: mail from `address` to `receiver` waits: a refusal, or an episode (`why`)."""

    address: str
    receiver: str
    episode: str | None
    why: str


class PathReopened(Fact, frozen=True, tag=True):
    """verify: a receiver that refused `address` accepted from it again."""

    address: str
    receiver: str
    episode: str | None
    why: str
    because: tuple[int, ...] = ()


class PathTried(Fact, frozen=True, tag=True):
    """verify: a resting path may let the next letter through (`waiting`: one that waits for it; else
    a new one), to see whether the receiver still refuses. `taken` of `wanted` in a row so far.
    """

    address: str
    receiver: str
    episode: str
    taken: int
    wanted: int
    why: str
    waiting: bool = False
    because: tuple[int, ...] = ()


class ReceiverDropped(Fact, frozen=True, tag=True):
    """verify: a receiver no longer follows a list: it takes mail from a listed address while the
    list says listed and other receivers that ask it refuse. The listing's episode stays open.

    `taken` recipients in a row since `since`, the last refusal before at `refused_at`; `listed_at`:
    the list's last answer; `controls`: (receiver, when it refused that address).
    """

    episode: str
    address: str
    receiver: str
    zone: str
    since: float
    taken: int
    refused_at: float | None
    listed_at: float
    controls: tuple[tuple[str, float], ...]
    because: tuple[int, ...] = ()


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """A path since it opened again, beside what was usual before: `refused` of `attempts` from `since`
    to `until`; `upper`: bound of the usual share (from `usual_refused` of `usual_attempts` of its
    own, drawn towards its pool); `missing`: attempts still needed to tell, 0 when it is back.
    """

    address: str
    receiver: str
    refused: int
    attempts: int
    since: float
    until: float
    upper: float
    usual_refused: int
    usual_attempts: int
    missing: int


class RecoveryWatched(Fact, frozen=True, tag=True):
    """verify: list, paths and control agree; what is left is that each path's refusals are as before
    the incident. It closes between `earliest` and `latest`. `paths`: those that are not yet back.
    """

    episode: str
    earliest: float
    latest: float
    paths: tuple[Band, ...]
    because: tuple[int, ...] = ()


class ListingDated(Fact, frozen=True, tag=True):
    """verify: when a listing began and ended, and so when its last evidence was: its end minus the
    list's term. Each in (low, high), None: no bound; `began`, `ended`: known, inferred, unknown.

    `predicted`: where its end was expected at last. `recurrence`: listings of this address on this
    list that ended within the relisting watch before this one began.
    """

    episode: str
    began: str
    began_low: float | None
    began_high: float | None
    ended: str
    ended_low: float | None
    ended_high: float | None
    evidence_low: float | None
    evidence_high: float | None
    predicted_low: float | None = None
    predicted_high: float | None = None
    recurrence: int = 0
    because: tuple[int, ...] = ()


class RelistingWatched(Fact, frozen=True, tag=True):
    """verify: the list is asked about the address now and then until `until`."""

    episode: str
    zone: str
    address: str
    until: float
    because: tuple[int, ...] = ()


class Recurred(Fact, frozen=True, tag=True):
    """verify: the address is on the list again within the relisting watch of `before`. `episode`: the
    new one; None: the list says so and nobody refused for it yet. `count`: times so far.
    """

    before: str
    episode: str | None
    zone: str
    address: str
    after_s: float
    count: int
    because: tuple[int, ...] = ()


class EpisodeClosed(Fact, frozen=True, tag=True):
    """verify: over. `how`: delisted (source stopped or not), or the receiver accepts again.

    `source`: stopped, going on (named and not stopped), unknown (nobody named). `dropped`: receivers
    that dropped the list meanwhile. `bands`: paths back in their band, or (`missing`) with too little
    mail to tell when the patience ended. What it cost in mail: `refused` replies, and recipients
    `deferred`, `bounced`, `resent`. `recurrence`: see ListingDated.
    """

    episode: str
    how: str
    evidence: str
    because: tuple[int, ...] = ()
    source: str = ""
    dropped: tuple[str, ...] = ()
    bands: tuple[Band, ...] = ()
    refused: int = 0
    deferred: int = 0
    bounced: int = 0
    resent: int = 0
    recurrence: int = 0


class Booked(Fact, frozen=True, tag=True):
    """resend: bounced for a suspicion; kept to be sent again should it prove a block."""

    row: Row
    until: float
    because: tuple[int, ...] = ()


class Resent(Fact, frozen=True, tag=True):
    """resend: a booked message goes out again, once. `by`: policy, or who switched it on."""

    row: Row
    episode: str | None
    because: tuple[int, ...] = ()
    by: str = "policy"


class NotResent(Fact, frozen=True, tag=True):
    """resend: a booked message is left out. `why`: culprit, doubtful, unknown outcome, copy (one that
    looks like it is on its way).
    """

    key: str
    message: str
    episode: str | None
    why: str
    because: tuple[int, ...] = ()


class HandSent(Fact, frozen=True, tag=True):
    """resend: the sender had sent the same to the same recipient again by hand: the same body, or,
    delivered meanwhile, a near-duplicate or the same subject or Message-ID.

    `key`: the row that is not sent. `which`: copy (it takes the place of the booked one), original
    is on its way, original was delivered.
    """

    key: str
    message: str
    copy: str
    which: str
    because: tuple[int, ...] = ()


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number a person is shown: its name, query, window, n and interval. None: unknown."""

    name: str
    value: float | None
    unit: str
    query: str
    start: float
    end: float
    n: int = 0
    low: float | None = None
    high: float | None = None


class IncidentOpened(Fact, frozen=True, tag=True):
    """tell: an incident opened by itself, or a part of one was split off. `since`: first refusal.
    `scope`, `info`, `origin`: as `IncidentRevised` has them."""

    incident: str
    title: str
    classification: str
    severity: str
    since: float
    episodes: tuple[str, ...]
    because: tuple[int, ...] = ()
    scope: str = ""
    info: str = ""
    origin: str = "not known"


class Posted(Fact, frozen=True, tag=True):
    """tell: a public post. `post`: current or final. `sections`: (label, text) in order. `deadline`:
    what the update before promised. `corrects`: number of the post it revises, which stays visible.
    """

    incident: str
    number: int
    post: str
    title: str
    status: str
    sections: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    next_update_by: float | None
    deadline: float | None
    deadline_met: bool | None
    author: str = "policy"
    because: tuple[int, ...] = ()
    corrects: int | None = None
    approver: str = ""
    draft: int | None = None


class PostPending(Fact, frozen=True, tag=True):
    """tell: a post waits for an approver, as draft number `draft` of its incident. `post`: current,
    final, or revision (which has `changes` and `why` for `sections`). `sections`: as written, figures as `{{ name }}`; they are measured anew when it is approved. `status` and
    `after` (number of the last post): what it was written for. `next_update_by` None: by policy.
    """

    incident: str
    draft: int
    author: str
    post: str
    sections: tuple[tuple[str, str], ...]
    status: str
    after: int
    next_update_by: float | None = None
    corrects: int | None = None
    changes: tuple[tuple[str, str], ...] = ()
    why: str = ""
    because: tuple[int, ...] = ()


class PostReturned(Fact, frozen=True, tag=True):
    """tell: a draft goes back to its author, and why. `by`: an approver who rejected it; policy: it
    is out of date, or was replaced."""

    incident: str
    draft: int
    author: str
    by: str
    reasons: tuple[str, ...]
    because: tuple[int, ...] = ()


class PostRefused(Fact, frozen=True, tag=True):
    """tell: what a person handed in, or approved, was not published, and why."""

    incident: str
    author: str
    reasons: tuple[str, ...]
    because: tuple[int, ...] = ()


class PostDrafted(Fact, frozen=True, tag=True):
    """tell: a person is to post by `deadline`; `sections` are a draft with `{{ name }}` for figures."""

    incident: str
    deadline: float
    sections: tuple[tuple[str, str], ...]
    because: tuple[int, ...] = ()


class DutyCalled(Fact, frozen=True, tag=True):
    """tell: the person on duty is called: a promised update is due and nobody has posted it."""

    incident: str
    deadline: float
    because: tuple[int, ...] = ()


class DeadlineMoved(Fact, frozen=True, tag=True):
    """tell: correction `number` gave another time for the next update than was promised (`old`)."""

    incident: str
    number: int
    old: float
    new: float
    author: str
    because: tuple[int, ...] = ()


class IncidentRevised(Fact, frozen=True, tag=True):
    """tell: what the incident tells changed. `field`: title, impact, info, scope, start, end,
    classification, severity, origin; times in ISO 8601; empty: nothing told. `author` policy: as
    measured. `post`: number of the post that changed it."""

    incident: str
    field: str
    old: str
    new: str
    author: str
    why: str
    approver: str = ""
    draft: int | None = None
    post: int | None = None
    because: tuple[int, ...] = ()


class IncidentMerged(Fact, frozen=True, tag=True):
    """tell: the incident is a part of `into`; its posts stay where they are."""

    incident: str
    into: str
    author: str
    why: str
    because: tuple[int, ...] = ()


class IncidentSplit(Fact, frozen=True, tag=True):
    """tell: these episodes are now the incident `part`; what was posted of them stays here."""

    incident: str
    part: str
    episodes: tuple[str, ...]
    author: str
    why: str
    because: tuple[int, ...] = ()


class DeadlineMissed(Fact, frozen=True, tag=True):
    """tell: the time of a promised update has passed and there is none."""

    incident: str
    deadline: float
    because: tuple[int, ...] = ()


class WebhookLost(Fact, frozen=True, tag=True):
    """tell: an event could not be told to a webhook within a day. `why`: its last answer."""

    hook: str
    delivery: str
    event: str
    attempts: int
    why: str
    because: tuple[int, ...] = ()


class WebhookEnded(Fact, frozen=True, tag=True):
    """tell: a webhook answered 410: it is called no more until it is configured anew."""

    hook: str
    because: tuple[int, ...] = ()


class NoticeLost(Fact, frozen=True, tag=True):
    """tell: a notice reached none of the operator's services."""

    notice: str
    what: str
    attempts: int
    why: str
    because: tuple[int, ...] = ()


class IncidentClosed(Fact, frozen=True, tag=True):
    """tell: the last post closed the incident; `since`..`until` is the impact."""

    incident: str
    since: float
    until: float
    because: tuple[int, ...] = ()


class StationFault(Fact, frozen=True, tag=True):
    """runner: a station failed or derived too much on this input: quarantined, service goes on."""

    station: str
    error: str
    because: tuple[int, ...] = ()


def _leaves(cls: type[Fact]) -> list[type[Fact]]:
    found: list[type[Fact]] = []
    for sub in cls.__subclasses__():
        found.extend(_leaves(sub) if sub.__subclasses__() else [sub])
    return found


KINDS: dict[str, type[Fact]] = {kind.__name__: kind for kind in _leaves(Fact)}
_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in KINDS.items()}


class FactError(ValueError):
    """A journal row that no kind of fact can read."""


def encode(fact: Fact) -> bytes:
    """The fact as JSON, keys in a fixed order, the kind under "kind"."""
    return _ENCODER.encode(fact)


def decode(kind: str, body: bytes | str) -> Fact:
    """The fact of a journal row. Raises FactError with what was wrong."""
    try:
        fact: Any = _DECODERS[kind].decode(body)
    except KeyError:
        raise FactError(f"unknown kind of fact {kind!r}") from None
    except msgspec.MsgspecError as exc:
        raise FactError(f"{kind}: {exc}") from None
    assert isinstance(fact, Fact)
    return fact


def kind_of(fact: Fact) -> str:
    """The fact's kind, as in the journal's column."""
    return type(fact).__name__


def message_of(fact: Fact) -> str | None:
    """The message a fact is about, for the journal's index; None: about none."""
    row = getattr(fact, "row", None)
    if row is not None:
        return str(row.message)
    if isinstance(fact, Reception):
        return fact.id
    message = getattr(fact, "message", None)
    return message if isinstance(message, str) else None
