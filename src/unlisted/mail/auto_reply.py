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
    r"|auto: |out\W{0,2}of\W{0,2}(?:the\W)?office|ooo\b|away (?:from|until|on)|vacation\b|on (?:vacation|leave|holiday)"
    r"|(?:i am|i'm|currently) (?:away|out of|on (?:vacation|leave|holiday))|on annual leave"
    r"|[^:]{1,80} is out of (?:the )?office"
    r"|abwesen\w{0,12}|automatische antwort|r[eé]ponse automatique|absence du bureau|absen[ct]"
    r"|respuesta autom[aá]tica|fuera de (?:la )?oficina|risposta automatica|fuori (?:sede|ufficio)"
    r"|resposta autom[aá]tica|ausente|autosvar|automatisk(?:t)? svar|fr[aå]nvaro\w*|afwezig\w*"
    r"|automatisch antwoord|automaattinen vastaus|poissa\b|autoodpowied|odpowied[zź] automatyczna"
    r"|automatyczna odpowied|automatick[aá] odpov|automatikus v[aá]lasz|r[aă]spuns automat"
    r"|automatski odgovor|samodejni odgovor|automatinis atsakymas|autom[aā]tisk[aā] atbilde"
    r"|automaatvastus|otomatik yan[\u0131i]t|balasan otomatis|tr[aả] l[oờ]i t[uự] [dđ][oộ]ng"
    r"|[aā]rpus biroja|atva[lļ]in[aā]jum|atostog|szabads[aá]g|dovolen[aá]|urlop\w*|nieobecn\w*"
    r"|mimo kancel|izvan ureda|odsutn|concediu|kontorist v[aä]ljas|yurt d\u0131ş\u0131"
    r"|автоответ|автоматический ответ|автоматична відповідь|автоматичен отговор|отпуск"
    r"|αυτόματη απάντηση|εκτός γραφείου|מענה אוטומטי|רد|رد تلقائي|ตอบอัตโนมัติ"
    r"|自動応答|自動返信|不在|休暇|自动(?:回复|答复)|自動回覆|자동 ?회신|부재)"
    r"|[(\[]auto(?:matic|mated)?\W{0,2}(?:reply|response)[)\]]\W*$",
    re.I,
)
# How an acknowledgement by a machine begins; people write so too, but not as bulk mail.
_ACKNOWLEDGED = re.compile(
    r"^\W*(?:re\W{0,3}:\W*)?(?:thank(?:s| you) for (?:your|the|contacting|you) ?(?:e-?mail|message|enquiry|inquiry|request|interest|us)?"
    r"|we (?:have )?received your|your (?:e-?mail|message|enquiry|inquiry|request) (?:has been|was) received"
    r"|received: your)",
    re.I,
)
_NOT_PERSONAL = frozenset({"bulk", "junk"})


def is_auto_reply(mail: Mail) -> bool:
    """Whether a person's mailbox answered by itself. Ask only once it is known to be no report."""
    if any(name in mail.headers for name in _FIELDS):
        return True
    submitted = mail.header(b"auto-submitted").lower()
    if submitted.startswith(("auto-replied", "auto-notified")):
        return True
    precedence = mail.header(b"precedence").lower()
    if precedence in _PRECEDENCE:
        return True
    if b"list-id" in mail.headers or b"list-unsubscribe" in mail.headers:
        return False  # sent to many, whatever its subject begins with
    subject = mail.subject()
    return _SUBJECT.search(subject) is not None or (
        precedence in _NOT_PERSONAL and _ACKNOWLEDGED.search(subject) is not None
    )
