"""Answers by machines that are no bounce: out of office and the like (RFC 3834, RFC 5230).

By header fields first; by the subject, in several languages, only where no field says it. Refuses
what is a bounce by its own words: a delivery report carries Auto-Submitted as well.
"""

import re

from unlisted.mail.mimescan import Mail

_FIELDS = (
    b"x-autoreply", b"x-autorespond", b"x-autoresponder", b"x-vacation",
    b"x-auto-reply", b"x-autoreply-from", b"x-mail-autoreply", b"x-apple-action",
)  # fmt: skip
_PRECEDENCE = frozenset({"auto_reply", "auto-reply", "autoreply", "vacation"})
_SUBJECT = re.compile(
    r"^\W*(?:(?:re|aw|sv|rv|antw|odp)\W{0,3}:\W*)?(?:"
    r"auto(?:matic|mated|matisk|matisch\w*|m[aá]tica)?\W{0,3}"
    r"(?:re(?:ply|sponse|sponder|spons|spuesta|sposta)|svar|antwo\w{0,4}|vastaus)\b"
    r"|out\W{0,2}of\W{0,2}(?:the\W)?office|ooo\b|away (?:from|until|on)|vacation\b|on (?:vacation|leave|holiday)"
    r"|(?:i am|i'm|currently) (?:away|out of|on (?:vacation|leave|holiday))|on annual leave"
    r"|abwesen\w{0,12}|automatische antwort|r[eé]ponse automatique|absence du bureau|absen[ct]"
    r"|respuesta autom[aá]tica|fuera de (?:la )?oficina|risposta automatica|fuori (?:sede|ufficio)"
    r"|resposta autom[aá]tica|ausente|autosvar|automatiskt svar|fr[aå]nvaro\w*|afwezig\w*"
    r"|automatisch antwoord|automaattinen vastaus|poissa\b|autoodpowied|odpowiedź automatyczna"
    r"|автоответ|автоматический ответ|自動応答|自動返信|不在|休暇|自动回复|自動回覆|자동 ?회신|부재)",
    re.I,
)


def is_auto_reply(mail: Mail) -> bool:
    """Whether a person's mailbox answered by itself. Ask only once it is known to be no report."""
    if any(name in mail.headers for name in _FIELDS):
        return True
    submitted = mail.header(b"auto-submitted").lower()
    if submitted.startswith(("auto-replied", "auto-notified")):
        return True
    if mail.header(b"precedence").lower() in _PRECEDENCE:
        return True
    if mail.header(b"x-auto-response-suppress") and submitted.startswith("auto-generated"):
        return bool(_SUBJECT.match(mail.subject()))
    return bool(_SUBJECT.match(mail.subject()))
