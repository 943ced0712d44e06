"""Whether a mail without a status part is a bounce: who wrote it, what it calls itself, how it
begins. Two signs are enough, or one and a beginning that says so; an answer by a machine is none.
"""

import re

from unlisted.mail.mimescan import Mail

_SENDER = re.compile(
    r"mailer[-_ ]?daemon|postmaster|mail(?: |\.)?deliver\w*|mail administrator|bounce|mdaemon|"
    r"delivery[- ](?:sub)?system|system administrator|mailsys|mailerdaemon|mail system|"
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
    r"недоставлен|не доставлено|niedostarcz|nedoručiteln|kézbesíthetetlen|não entregue|falha na entrega|no entregado|"
    r"mancata consegna|niet[- ]bezorg|ikke leveret|ikke levert|ej levererat|無法投遞|无法投递|전송 ?실패|배달 ?실패|"
    r"配送|配信|送信でき|エラー|戻り|届け|退信|投递|系统退信|반송|undelivrable|"
    r"user unknown|unknown user|no such user|user not (?:known|found)|"
    r"you .{0,80} (?:are|is) not (?:a )?member|virus|delivery suspend|warning: could not|considered unsolicited",
    re.I,
)
# Over lower-cased text, for `re` can then skip to the letters these begin with.
_INTRO = re.compile(
    r"delivery (?:has |to |of |status|attempt|failed)|could ?n[o']t be delivered|not be delivered|was not delivered|"
    r"unable to deliver|un?able to (?:send|deliver)|undeliver|not deliver|fail(?:ed|ure)|delivery error|"
    r"recipient|returned|permanent error|had (?:permanent|transient|delivery)|did not (?:reach|receive)|"
    r"error while|an error occurred|cannot be delivered|mailbox|transcript of session|user unknown|\n[ \t]*[45]\d\d[ -]|"
    r"not (?:a )?member|invalid final delivery|rejected|refused|message (?:is )?too large|"
    r"no such user|unknown user|not a valid (?:user|recipient|address)|does not exist|"
    r"nicht zugestellt|nicht ausgeliefert|no (?:se )?(?:pudo|ha podido|pudieron) (?:ser )?entreg|"
    r"impossibile (?:recapit|consegn)|niet (?:worden )?(?:bezorgd|afgeleverd)|kunde inte levereras|"
    r"no fue entregad|imposible entregar|impossible de remettre|kunne ikke lever|ei voitu toimittaa|"
    r"nu a putut fi livrat|tidak (?:dapat |bisa )?(?:terkirim|dikirim)",
)
_FAILED = re.compile(
    r"not (?:be |been |yet been )?(?:successfully )?(?:deliver|sent|reach|receive)|n['\u2019]t (?:be )?(?:deliver|reach)|undeliver|"
    r"unable to (?:deliver|send)|deliver\w{0,8} (?:\w{1,20} ){0,3}(?:fail|error|delay|problem)|fail\w{0,8} (?:\w{1,20} ){0,3}(?:deliver|recipient|address)|"
    r"transcript of session|user unknown|unknown user|no such user|permanent error|not (?:a )?member|invalid final|"
    r"(?:\n|[ :])[45]\d\d[ -][#\d]?|rejected|refused|returned|nicht zugestellt|entreg|remis|recapit|配信|届け|送信できません|退|доставл",
)
_INTRO_ELSEWHERE = re.compile(
    r"(?:не|нельзя|неможливо) (?:может быть |удалось |вдалося |было |була? |была )*доставл|нельзя доставить|"
    r"не доставлено|n[\u2019']a p(?:as|u) (?:pu |être |été )*(?:remis|délivr|achemin)|"
    r"não (?:foi possível|pôde ser|foi|pode ser) entreg|non è stato (?:possibile )?(?:recapit|consegn)|"
    r"nie (?:może|mógł|mogł[ao]|została?|zostało|można|udało się) .{0,24}(?:dostarcz|doręcz)|(?:nelze|nebylo možné) doručit|"
    r"nem (?:lehetett|sikerült|tudtuk) .{0,20}kézbesít|teslim edilemedi|iletilemedi|αδυναμία παράδοσης|"
    r"無法(?:傳送|投遞|寄)|无法(?:发送|投递|送达)|退回|配信(?:できません|不能)|送信できません|届けることができ|"
    r"전송(?:하지 못|되지 못|할 수 없)|배달(?:하지 못|되지 못|할 수 없)",
)


def is_bounce(mail: Mail, human: str) -> bool:
    """Signs of a mailer: who wrote it, what it calls itself, how it begins."""
    if b"x-failed-recipients" in mail.headers or mail.report_type == "delivery-status":
        return True
    sender = _SENDER.search(mail.header(b"from")) is not None
    nobody = "<>" in mail.header(b"from")
    subject = _SUBJECT.search(mail.subject()) is not None
    # An empty author and an empty reverse-path are one sign, not two: spam has both as well.
    null = nobody or mail.header(b"return-path") in ("<>", "<MAILER-DAEMON>")
    if mail.header(b"auto-submitted").lower().startswith("auto-replied") and not subject:
        return (sender or nobody) and says_so(human)
    if sender + subject + null >= 2:
        return True
    if sender or null:
        return says_so(human)
    # People write of delivery and mailboxes too: theirs must say that something was not delivered.
    return subject and _FAILED.search("\n" + human[:4000].lower()) is not None


def says_so(human: str) -> bool:
    """Whether the text itself tells of a failure, not only the fields around it."""
    head = "\n" + human[:4000].lower()
    if _INTRO.search(head):
        return True
    return not head.isascii() and _INTRO_ELSEWHERE.search(head) is not None


def from_mailer(mail: Mail) -> bool:
    author = mail.header(b"from")
    return _SENDER.search(author) is not None or "<>" in author
