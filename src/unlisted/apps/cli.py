"""The command line. Verbs: serve, backup, restore; all else is a noun and a verb.

Exit codes: 0 it went well, 1 a difference or a fault was found, 2 usage or configuration,
3 no such thing. Output fits 80 columns; `--json` gives the same to programs.
Nothing heavy is imported before it is known what is wanted: `unlisted --help` stays quick.
"""

from __future__ import annotations

import argparse
import io
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

OK, FOUND, USAGE, NO_SUCH = 0, 1, 2, 3
# Errors whose text is for people, by name: their modules are not imported for a --help.
_SAID = (
    "JournalError", "BackupError", "Missing", "Unreachable", "SecretError", "FactError",
    "DatabaseError", "OperationalError", "Unreadable", "HistoryError", "LogError",
    "StaffError", "NoJournal", "NoHistory",
)  # fmt: skip

_EXITS = {"Missing": NO_SUCH, "NoJournal": NO_SUCH, "NoHistory": NO_SUCH, "Unreadable": USAGE}

ABOUT = """\
Keep your mail off blocklists; recover when a list blocks you anyway.

  unlisted serve                        run, by ./unlisted.toml if it is there
  unlisted report /var/log/mail.log     which lists block us, who did it
  unlisted config check                 is the configuration right?
  unlisted message explain m17          one mail's story
  unlisted sender explain login:anna    what is known of a sender
  unlisted episode list                 which addresses are, or were, blocked
  unlisted hold release h12 --reason "password changed"
  unlisted resend plan                  what bounced and can go again
  unlisted queue list --in held
  unlisted journal replay               do the facts still lead to this?
  unlisted backup /safe/place.tar       beside a running service
"""
CODES = "exit codes: 0 well, 1 a difference or fault found, 2 usage, 3 no such thing"


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 10 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:20]!r}: expected a number, 1 or more")
    return int(text)


# (noun, verb, one line, example, arguments, implementation): one table makes parser and help.
Argument = tuple[tuple[str, ...], dict[str, object]]
JSON: Argument = (("--json",), {"action": "store_true", "help": "for programs"})
LIMIT: Argument = (
    ("--limit",),
    {"type": _count, "default": 50, "metavar": "N", "help": "rows at most (50)"},
)
JOURNAL: Argument = (
    ("journal",),
    {
        "nargs": "?",
        "type": Path,
        "metavar": "JOURNAL",
        "help": "a journal file; else the state folder's",
    },
)
ZONE: Argument = (
    ("--zone",),
    {"metavar": "OFFSET", "help": "zone of the page's own stamps, like -08:00"},
)
CERTAIN: dict[str, object] = {"metavar": "ID"}
INCIDENT = {**CERTAIN, "help": "the incident, as UL000001"}
DRAFT: dict[str, object] = {"type": _count, "metavar": "NUMBER", "help": "the draft's number"}
REASON: dict[str, object] = {"metavar": "TEXT", "help": "kept in the journal with your name"}
TEXT: dict[str, object] = {"metavar": "TEXT"}
TIME: dict[str, object] = {"metavar": "TIME", "help": "with its zone"}
REPORT: tuple[Argument, ...] = (
    (("logs",), {"nargs": "+", "metavar": "LOG",
                 "help": "files, packed ones too, folders, or - for standard input"}),
    (("--ours",), {"action": "append", "metavar": "CIDR",
                   "help": "your sending addresses, as in 192.0.2.0/24; repeatable"}),
    (("--html",), {"type": Path, "metavar": "FILE", "help": "one page with charts (- for output)"}),
    (("--json",), {"type": Path, "metavar": "FILE", "help": "for programs; - for standard output"}),
    (("--resend",), {"type": Path, "metavar": "FILE.csv", "help": "the letters to send again; - too"}),
    (("--since",), {"metavar": "TIME", "help": "leave out what is earlier, as in 2026-11-16"}),
    (("--until",), {"metavar": "TIME", "help": "leave out what is later, as in 2026-11-23T08:00"}),
    (("--zone",), {"metavar": "ZONE",
                   "help": "of stamps without one, as in Europe/Berlin (this machine's)"}),
    (("--year",), {"type": int, "metavar": "YYYY", "help": "of the first stamp, if it has none"}),
    (("--format",), {"default": "auto", "choices": ["auto", "postfix", "exim", "kumomta", "m365"],
                     "metavar": "NAME", "help": "auto, postfix, exim, kumomta or m365"}),
    (("--keep",), {"type": _count, "default": 300_000, "metavar": "N",
                   "help": "refused attempts remembered for --resend (300000)"}),
)  # fmt: skip
COMMANDS: tuple[tuple[str, str, str, str, tuple[Argument, ...]], ...] = (
    (
        "serve",
        "",
        "run the service",
        "unlisted serve --config /etc/unlisted.toml",
        (
            (("--no-snapshot",), {"action": "store_true",
             "help": "start by following the whole journal, and keep no snapshot of the states"}),
        ),
    ),
    (
        "backup",
        "",
        "write journal and secrets into one archive; the service may run",
        "unlisted backup /safe/unlisted.tar",
        ((("file",), {"type": Path, "metavar": "FILE", "help": "the archive to write (tar)"}),),
    ),
    (
        "restore",
        "",
        "make an empty state folder from an archive",
        "unlisted restore /safe/unlisted.tar --state var",
        ((("file",), {"type": Path, "metavar": "FILE", "help": "an archive of unlisted backup"}),),
    ),
    (
        "classify",
        "",
        "what replies and bounce mails mean: which list refused, and what to do",
        "unlisted classify bounces/ --ours 192.0.2.0/24   (or: … | … --json)",
        (
            (("files",), {"nargs": "*", "type": Path, "metavar": "FILE",
             "help": "mails, folders of mails, mbox, or replies one per line; none: standard input"}),
            (("--ours",), {"action": "append", "default": [], "metavar": "CIDR",
             "help": "a network of ours (repeatable)"}),
            (("--json",), {"action": "store_true", "help": "one object a line"}),
        ),
    ),
    (
        "intake",
        "",
        "mail of abuse, feedback and bounce mailboxes, to the running service",
        "unlisted intake /var/mail/abuse /var/mail/bounces",
        (
            (("paths",), {"nargs": "+", "type": Path, "metavar": "MAILDIR",
             "help": "maildirs, folders, mbox files or mails"}),
            JSON,
        ),
    ),
    ("config", "check", "name every problem of the configuration", "unlisted config check", (JSON,)),
    (
        "config",
        "settings",
        "every setting with its type, default and help",
        "unlisted config settings",
        (JSON,),
    ),
    (
        "journal",
        "export",
        "the facts in order, one JSON object a line",
        "unlisted journal export > facts.jsonl",
        (JOURNAL,),
    ),
    (
        "journal",
        "replay",
        "derive everything again and compare byte for byte",
        "unlisted journal replay kept/journal.db",
        (JOURNAL, JSON),
    ),
    (
        "queue",
        "list",
        "what waits, and for what",
        "unlisted queue list --sender login:anna --in held",
        (
            (("--sender",), {"default": "", "metavar": "NAME", "help": "as login:anna"}),
            (
                ("--in",),
                {"dest": "state_", "default": "", "metavar": "STATE",
                 "choices": ["due", "wait", "held", "out", "booked"],
                 "help": "due, wait, held, out or booked"},
            ),
            LIMIT,
            JSON,
        ),
    ),
    ("queue", "check", "rebuild the queue from the journal and compare", "unlisted queue check",
     (JOURNAL, JSON)),
    ("message", "explain", "one mail's story", "unlisted message explain m17.0",
     ((("id",), {**CERTAIN, "help": "m17, m17.0, or the X-Trace header's value"}), JSON)),
    ("episode", "list", "episodes, newest first", "unlisted episode list", (LIMIT, JSON)),
    ("episode", "explain", "one episode: cause, release, end", "unlisted episode explain e12",
     ((("id",), {**CERTAIN, "help": "the episode, as unlisted episode list names it"}), JSON)),
    ("sender", "explain", "a sender's holds, shares and waiting mail",
     "unlisted sender explain login:anna",
     ((("id",), {**CERTAIN, "help": "login:NAME, host:ADDRESS, script:UID:PATH …; NAME for a login"}),
      JSON)),
    ("hold", "list", "holds, newest first", "unlisted hold list",
     ((("--all",), {"action": "store_true", "help": "ended ones too"}), LIMIT, JSON)),
    ("hold", "release", "end a hold; the running service does it",
     'unlisted hold release h12 --reason "password changed"',
     ((("id",), {**CERTAIN, "help": "the hold, as unlisted hold list names it"}),
      (("--reason",), {**REASON, "required": True}), JSON)),
    ("resend", "plan", "what bounced for a block: what can go again, what is left out and why",
     "unlisted resend plan e12",
     ((("id",), {"nargs": "?", "metavar": "EPISODE", "help": "else every episode, in numbers"}),
      (("--notice",), {"type": Path, "metavar": "FOLDER",
       "help": "write a mail for each sender whose letters nobody kept: exactly which to send again"}),
      JSON)),
    ("resend", "run", "switch the re-send of an episode on; the running service does it",
     'unlisted resend run e12 --reason "block is over"',
     ((("id",), {"metavar": "EPISODE", "help": "as unlisted episode list names it"}),
      (("--reason",), {**REASON, "default": "switched on by hand"}),
      (("--unknown-outcome",), {"action": "store_true",
       "help": "also what the receiver may have already: no answer came, it may arrive twice"}),
      (("--dry-run",), {"action": "store_true", "help": "only say what would go"}), JSON)),
    ("history", "import", "what senders did before; the service must not run",
     "unlisted history import senders.jsonl",
     ((("file",), {"type": Path, "metavar": "FILE", "help": "JSON lines (docs/settings.md)"}),)),
    ("health", "import", "read a published service-health record, and what is wrong with it",
     "unlisted health import incident.txt --json",
     ((("file",), {"type": Path, "metavar": "FILE", "help": "text or HTML; - for standard input"}),
      (("--publish",), {"action": "store_true",
       "help": "onto the running service's public page and its APIs"}), ZONE, JSON)),
    ("health", "lint", "the faults of a record; those that block publishing give exit code 1",
     "unlisted health lint incident.html   (or an incident's id: UL000001)",
     ((("id",), {"metavar": "FILE|ID", "help": "a file, - for standard input, or an incident here"}),
      ZONE, JSON)),
    ("health", "post", "publish a post of an open incident; its figures must be measured",
     "unlisted health post UL000001 --file post.txt",
     ((("id",), INCIDENT),
      (("--file",), {"required": True, "metavar": "FILE",
       "help": "sections as 'Label: text', {{ name }} for a figure; - for standard input"}),
      (("--next-update-by",), {"metavar": "TIME", "help": "with its zone; else by policy"}),
      (("--corrects",), {"type": _count, "metavar": "N", "help": "the post that this one revises"}),
      (("--dry-run",), {"action": "store_true", "help": "only say what would become of it"}),
      JSON)),
    ("health", "approve", "publish a draft that waits, its figures measured now",
     "unlisted health approve UL000001 3",
     ((("id",), INCIDENT), (("number",), DRAFT), (("--reason",), {**REASON, "default": ""}), JSON)),
    ("health", "reject", "send a draft that waits back to its author",
     'unlisted health reject UL000001 3 --reason "say who is affected"',
     ((("id",), INCIDENT), (("number",), DRAFT),
      (("--reason",), {"required": True, "metavar": "TEXT", "help": "its author reads it"}), JSON)),
    ("health", "revise", "change what an incident tells; every revision is kept, and public",
     'unlisted health revise UL000001 --end 2026-11-23T08:00Z --why "log"',
     ((("id",), INCIDENT),
      (("--title",), TEXT), (("--impact",), TEXT), (("--info",), TEXT), (("--scope",), TEXT),
      (("--start",), TIME), (("--end",), TIME),
      (("--classification",), {"metavar": "NAME", "help": "advisory or incident"}),
      (("--severity",), {"metavar": "NAME", "help": "low, medium or high"}),
      (("--origin",), {"metavar": "WHOSE", "help": "ours, third party or not known"}),
      (("--why",), {"required": True, "metavar": "TEXT", "help": "everybody can read it"}), JSON)),
    ("health", "merge", "say that a closed incident was a part of another one",
     'unlisted health merge UL000002 --into UL000001 --why "the same account"',
     ((("id",), {**CERTAIN, "help": "the closed incident, as UL000002"}),
      (("--into",), {"required": True, "metavar": "ID", "help": "the other one, as UL000001"}),
      (("--why",), {**REASON, "required": True}), JSON)),
    ("health", "split", "make ended episodes an incident of their own",
     'unlisted health split UL000001 --episode e12 --why "another account"',
     ((("id",), INCIDENT),
      (("--episode",), {"action": "append", "required": True, "metavar": "ID",
       "help": "repeatable"}),
      (("--why",), {**REASON, "required": True}), JSON)),
    ("health", "review", "the post-incident review of an incident, from the journal",
     "unlisted health review UL000001 --html review.html",
     ((("id",), INCIDENT),
      (("--html",), {"type": Path, "metavar": "FILE", "help": "one page with its chart"}),
      (("--names",), {"action": "store_true", "help": "senders by name, not as keyed hashes"}),
      (("--public",), {"action": "store_true", "help": "as published: no names nor addresses"}),
      (("--add",), {"metavar": "FILE", "help": "your text, as 'Label: text'; - for standard input"}),
      (("--publish",), {"action": "store_true", "help": "on the running service's public page"}),
      JSON)),
    ("report", "", "who blocks us, who sent what, what to send again: by mail logs",
     "unlisted report /var/log/mail.log* --ours 192.0.2.0/24 --html out.html", REPORT),
    ("history", "add", "keep the delivery attempts of logs, each line once",
     "unlisted history add /var/log/mail.log*",
     ((("log",), {"nargs": "+", "metavar": "LOG", "help": "files, packed ones too, folders, or - for standard input"}),
      (("--ours",), {"action": "append", "metavar": "CIDR", "help": "your sending addresses"}),
      (("--zone",), {"metavar": "ZONE", "help": "of stamps without one (this machine's)"}), JSON)),
    ("history", "info", "what is kept, by day", "unlisted history info", (JSON,)),
    ("history", "query", "ask it in SQL: attempts, minutes, exposure",
     'unlisted history query "select sum(refusals) from minutes"',
     ((("sql",), {"metavar": "SQL", "help": "one select; docs/history.md says what the views hold"}),
      JSON)),
    ("history", "erase", "forget a person in what is kept", "unlisted history erase bob@example.net",
     ((("name",), {"metavar": "NAME", "help": "an address, or a sender as login:anna"}),)),
    ("history", "tidy", "merge small files, drop old days",
     "unlisted history tidy --keep-days 90",
     ((("--keep-days",), {"type": _count, "metavar": "N", "help": "drop what is older"}),)),
    ("watch", "", "follow another MTA's logs: episodes and incidents as they come",
     "unlisted watch /var/log/mail.log",
     ((("log",), {"nargs": "*", "type": Path, "metavar": "LOG", "help": "else [watch] logs"}),
      (("--once",), {"action": "store_true", "help": "to the end of the files, then the sum"}),
      (("--ours",), {"action": "append", "default": [], "metavar": "CIDR",
                     "help": "an address or network the MTA sends by (repeatable)"}),
      (("--history",), {"action": "store_true", "help": "keep the attempts, as history add does"}),
      JSON)),
    ("people", "add", "let somebody sign in, or give them other roles and a new password",
     "unlisted people add ada --role communicator --role approver",
     ((("name",), {"metavar": "NAME", "help": "the password, 12 characters or more, is asked for, "
       "or read from a pipe"}),
      (("--role",), {"action": "append", "required": True, "metavar": "R",
       "choices": ["viewer", "operator", "communicator", "approver"],
       "help": "viewer, operator, communicator or approver; repeatable"}), JSON)),
    ("users", "line", "a line for the file that smtp.users names: one who may hand in mail",
     "unlisted users line ann --tenant example >> users.txt",
     ((("name",), {"metavar": "NAME", "help": "the login; its password is asked for, or read from a pipe"}),
      (("--tenant",), {"required": True, "metavar": "NAME", "help": "whose the login is: a customer, a department"}),
      JSON)),
    ("people", "list", "who may sign in, and as what", "unlisted people list", (JSON,)),
    ("people", "remove", "sign somebody out for good", "unlisted people remove ada",
     ((("name",), {"metavar": "NAME", "help": "as unlisted people list names them"}), JSON)),
    ("notify", "test", "send a test to every webhook and address of the settings, say what came back",
     "unlisted notify test",
     ((("--webhooks",), {"action": "store_true", "help": "webhooks only"}),
      (("--notices",), {"action": "store_true", "help": "operator notices only"}), JSON)),
    ("operator", "link", "a link that signs a browser in, once", "unlisted operator link", (JSON,)),
)  # fmt: skip
# Nouns and verbs with a module of their own in apps/; the others are in cli_commands.
_MODULES = {
    "classify": "classify", "health": "health", "history": "history", "intake": "intake",
    "notify": "notify", "report": "report",
    "people": "people", "users": "users",
    "watch": "watch", "message": "cli_explain", "episode": "cli_explain", "sender": "cli_explain",
    "resend": "resend_commands",
}  # fmt: skip
NOUNS = {
    "health": "service-health records: what was published about an incident",
    "config": "the settings file",
    "journal": "all facts",
    "queue": "mail that waits",
    "message": "one mail",
    "episode": "a listing of one of our addresses",
    "sender": "who puts mail in",
    "hold": "mail kept back on purpose",
    "resend": "what bounced for a block, sent again",
    "history": "senders before the journal; delivery attempts kept from logs",
    "notify": "webhooks, and notices to the operator's people",
    "operator": "the operator's page",
    "people": "who may sign in on the operator's page",
    "users": "who may hand in mail",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        said = textwrap.fill(f"{self.prog}: {_bounded(message)}", 80, subsequent_indent="  ")
        self.exit(USAGE, f"{said}\nTry: {self.prog} --help\n")


def _bounded(message: str) -> str:
    """Without the list of everything that there is: --help has it."""
    head, offered, _ = message.partition(" (choose from ")
    return head if offered and len(message) > 60 else message


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="settings (./unlisted.toml)")
    common.add_argument("--state", type=Path, metavar="DIR", help="state folder (as configured)")
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(prog="unlisted", description=ABOUT, epilog=CODES, formatter_class=raw)
    top.add_argument("--version", action="store_true", help="print the version")
    verbs = top.add_subparsers(dest="noun", metavar="COMMAND", parser_class=_Parser)
    nouns: dict[str, object] = {}
    for noun, verb, line, example, arguments in COMMANDS:
        if verb and noun not in nouns:
            examples = "".join(f"\n  {row[3]}" for row in COMMANDS if row[0] == noun)
            group = verbs.add_parser(
                noun,
                help=NOUNS[noun],
                description=f"{NOUNS[noun]}\n\nexamples:{examples}",
                formatter_class=raw,
            )
            nouns[noun] = group.add_subparsers(
                dest="verb", metavar="VERB", required=True, parser_class=_Parser
            )
        place = nouns[noun] if verb else verbs
        made = place.add_parser(  # type: ignore[attr-defined]
            verb or noun,
            help=line,
            description=f"{line}\n\nexample: {example}",
            epilog=CODES,
            parents=[common],
            formatter_class=raw,
        )
        for names, options in arguments:
            made.add_argument(*names, **options)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    args = parser().parse_args(argv)
    if args.version:
        from unlisted import __version__

        print(f"unlisted {__version__}")
        return OK
    if args.noun is None:
        parser().print_help()
        return USAGE
    return guarded(lambda: _run(args))


def guarded(run: Callable[[], int]) -> int:
    """Known failures as one sentence and their exit code; a closed pipe ends quietly."""
    from unlisted.apps.terminal import complain
    from unlisted.config_file import ConfigError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without UTF-8, or a name that is none, is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        return run()
    except ConfigError as exc:
        complain(str(exc))
        return USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except KeyboardInterrupt:
        return 130
    except Exception as exc:
        # Only what the program knows how to say; anything else is a bug and shows itself.
        if not isinstance(exc, OSError) and type(exc).__name__ not in _SAID:
            raise
        complain(f"unlisted: {exc}")
        return _EXITS.get(type(exc).__name__, FOUND)


def _run(args: argparse.Namespace) -> int:
    if args.noun == "serve":
        from unlisted.apps import serve, settings

        return serve.serve(settings.load(args.config, args.state), snapshots=not args.no_snapshot)
    from importlib import import_module

    name = f"{args.noun}_{args.verb}" if getattr(args, "verb", None) else args.noun
    module = import_module("unlisted.apps." + _MODULES.get(args.noun, "cli_commands"))
    command: Callable[[argparse.Namespace], int] = getattr(module, name)
    return command(args)
