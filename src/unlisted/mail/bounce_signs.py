"""Whether a mail without a status part is a bounce: who wrote it, what it calls itself, how it
begins. Two signs are enough, or one and a beginning that says so; an answer by a machine is none.
"""

import re

from unlisted.mail.mimescan import Mail

_SENDER = re.compile(
    r"mailer[-_ ]?daemon|postmaster|mail(?: |\.)?deliver\w*|mail administrator|bounce|mdaemon|"
    r"delivery[- ](?:sub)?system|system administrator|mailsys|mailerdaemon|mail system|<>|"
    r"post_?master|no-?reply@sns\.|mrelay|mmdf|listserv|majordomo",
    re.I,
)
_SUBJECT = re.compile(
    r"undeliver|returned (?:e?mail|to sender|message)|(?:mail|message|delivery|status)\W{0,3}(?:delivery|status|system)?\W{0,3}"
    r"(?:fail|error|problem|notif|report|refus|delay|return|warning|rejected|block)|fail(?:ure|ed)|could not (?:be )?(?:send|sent|deliver)|"
    r"delivery (?:status|error|problem|has been)|non[- ]?(?:remis|deliver|delivery|zustell)|unzustellbar|"
    r"not (?:be )?delivered|nondeliver|rejected|mail error|returning|bounce|can(?:not|'t) (?:send|deliver)|"
    r"unable to deliver|message delay|delayed mail|no se (?:pudo|ha podido)|non recapitabile|mancato recapito|"
    r"nicht (?:zugestellt|zustellbar)|fehlgeschlagen|échec|n'a pas pu|onbestelbaar|niet (?:bezorgd|afgeleverd)|"
    r"недоставлен|не доставлено|配送|配信|送信でき|エラー|戻り|届け|退信|投递|系统退信|반송|undelivrable|"
    r"you .{0,80} (?:are|is) not (?:a )?member|virus|delivery suspend|warning: could not|considered unsolicited",
    re.I,
)
_INTRO = re.compile(
    r"delivery (?:has |to |of |status|attempt|failed)|could ?n[o']t be delivered|not be delivered|was not delivered|"
    r"unable to deliver|un?able to (?:send|deliver)|undeliver|not deliver|fail(?:ed|ure)|delivery error|"
    r"recipient|returned|permanent error|had (?:permanent|transient|delivery)|did not (?:reach|receive)|"
    r"error while|an error occurred|cannot be delivered|mailbox|transcript of session|user unknown|^[ \t]*[45]\d\d[ -]|"
    r"not a member|invalid final delivery|rejected|refused|message (?:is )?too large",
    re.I | re.M,
)


def is_bounce(mail: Mail, human: str) -> bool:
    """Signs of a mailer: who wrote it, what it calls itself, how it begins."""
    if b"x-failed-recipients" in mail.headers or mail.report_type == "delivery-status":
        return True
    sender = _SENDER.search(mail.header(b"from")) is not None
    subject = _SUBJECT.search(mail.subject()) is not None
    null = mail.header(b"return-path") in ("<>", "<MAILER-DAEMON>")
    if mail.header(b"auto-submitted").lower().startswith("auto-replied") and not subject:
        return sender and _INTRO.search(human[:4000]) is not None
    if sender + subject + null >= 2:
        return True
    return (sender or null or subject) and _INTRO.search(human[:4000]) is not None


def from_mailer(mail: Mail) -> bool:
    return _SENDER.search(mail.header(b"from")) is not None
