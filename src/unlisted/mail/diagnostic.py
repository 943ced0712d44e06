"""What a diagnostic text says beside its words: reply code, status, command, host.

Read out of whatever a mailer wrote: Postfix's "(in reply to …)", Exim's "after RCPT TO", sendmail's
transcript, qmail's sentences. Each pattern begins with what `re` can skip to; a text is looked at
once for words that a pattern needs before the pattern is tried. Refuses nothing.
"""

import re

# The digits come first in the pattern, for `re` skips to them; what stands before is asked after.
REPLY = re.compile(
    r"([245]\d\d)(?<![^\s:;\"'(<>\[#=,][245]\d\d)"
    r"(?:(?=[ \t-]{1,2}['\"]?[#(]?[245]\.\d{1,3}\.\d{1,3})|[ \t-]+(?=[^\d\s])|(?=:[: ]))"
)
_STATUS = re.compile(r"([245])(?<![\d.][245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_COMMAND = re.compile(
    r"(?:in (?:reply|response) to (?:the |end of )?|after |did not like our |failed on |>>>[ \t]*|\[|"
    r"smtp command\s+|command: ?|stage: ?|did not accept our |during |sent:? (?:<<< )?(?:the )?|"
    r"smtp:|\(sent_|most progress was )"
    r"(?P<word>end of data|initial connection|rcpt(?:[ _]to)?|mail(?:[ _]from)?|data\b|[he][eh]lo|starttls)"
    r"|(?P<qmail>does not like recipient|but sender was rejected|but my name was rejected|"
    r"but greeting failed|failed on data|failed after i sent the message)"
    r"|(?P<talk>refused to talk to me)"
    r"|(?P<said>rcpt to|mail from|data) (?:command )?(?:generated|returned|was answered|got)|"
    r"\(state (?P<state>14)\)",
)
# The command pattern costs its length at every character; these tell in no time it is in vain.
_TRIGGERS = (
    "eply to", "esponse to", "after ", "like our", "failed on ", ">>>", "[rcpt", "[data", "[mail",
    "smtp command", "ommand:", "tage:", "accept our", "uring ", "sent ", "sent: ", "like recipient",
    "was rejected", "talk to me", "greeting failed", "smtp:", "(sent_", "generated", "(state 14",
    "progress was",
)  # fmt: skip
# In a whole report only these are about the session, not about the report itself.
_TRANSCRIPT = (
    ">>>", "in reply to", "in response to", "did not like our", "smtp command", "like recipient",
    "was rejected", "talk to me", "mail server after", "mailer after", "greeting failed",
    "smtp:", "generated following", "generated the following", "sent: ", "sent <<<",
)  # fmt: skip
_WORDS = {
    "end of data": "eod", "initial connection": "connect", "starttls": "starttls",
    "does not like recipient": "rcpt", "but sender was rejected": "mail",
    "but my name was rejected": "ehlo", "but greeting failed": "connect",
    "failed on data": "data", "failed after i sent the message": "eod",
}  # fmt: skip
_TALKED_TO = re.compile(
    r"host ([\w.-]{1,255})[\[ (]|while talking to ([\w.-]{1,255}?)\.?:|"
    r"(?:remote host|server)[: ]+([\w-]{1,63}(?:\.[\w-]{1,63})+)"
)


def host_in(text: str) -> str | None:
    if "ost" not in text and "alking to" not in text and "erver" not in text:
        return None
    host = _TALKED_TO.search(text.lower())
    return next(g for g in host.groups() if g) if host else None


def command_in(text: str, whole_report: bool = False) -> str | None:
    """The last command named: a transcript ends with the one that failed."""
    text = text.lower()
    if "\n" in text:
        text = " ".join(text.split())  # mailers fold their lines within "(in reply to …)"
    places = [
        place
        for trigger in (_TRANSCRIPT if whole_report else _TRIGGERS)
        if (place := text.find(trigger)) >= 0
    ]
    if not places:
        return None
    last = None
    for found in _COMMAND.finditer(text, max(0, min(places) - 20)):
        last = found
    if last is None:
        return None
    if last["talk"]:
        return "connect"
    if last["state"]:
        return "rcpt"  # Gmail's number for where the session was
    word = last["word"] or last["qmail"] or last["said"]
    if word in _WORDS:
        return _WORDS[word]
    if "end of" in last[0]:
        return "eod"
    return {"rc": "rcpt", "ma": "mail", "da": "data"}.get(word[:2], "ehlo")


def exact_status(text: str, start: int = 0) -> str | None:
    """The first enhanced status from `start` on, else the first at all."""
    found = _STATUS.search(text, start) or (_STATUS.search(text) if start else None)
    return f"{found[1]}.{int(found[2])}.{int(found[3])}" if found else None
