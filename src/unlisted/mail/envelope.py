"""Addresses of the envelope: reverse-path and recipients (RFC 5321 section 4.1.2, RFC 6531).

Bounded (section 4.5.3.1: local part 64, domain 255, path 256 octets). The domain is lower-cased,
the local part left alone, an internationalised domain left as it came. Refuses control
characters, source routes and addresses without a domain: what we cannot write back we do not
take in.
"""

import hashlib
import hmac
import ipaddress
import re

import msgspec

MAX_LOCAL = 64
MAX_DOMAIN = 255
MAX_PATH = 256

_DOT_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
    r"(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"')
_LABEL = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff](?:[A-Za-z0-9_\u0080-\U0010ffff-]{0,62})?")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")


class AddressError(ValueError):
    """Not an address we could put into an SMTP command."""


class Address(msgspec.Struct, frozen=True, order=True):
    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_address(text: str) -> Address:
    """`local@domain`, angle brackets allowed, domain lower-cased."""
    text = text.strip(" \t")
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if len(text.encode("utf-8", "surrogatepass")) > MAX_PATH:
        raise AddressError(f"address longer than {MAX_PATH} octets")
    local, at, domain = text.rpartition("@")
    if not at or not local:
        raise AddressError("an address is local@domain")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise AddressError("not Unicode text")
    plain = _DOT_ATOM.fullmatch(local) and not _CONTROL.search(local)
    if not plain and not _QUOTED.fullmatch(local):
        raise AddressError("the local part is neither a dot-atom nor a quoted string")
    if len(local.encode()) > MAX_LOCAL:
        raise AddressError(f"local part longer than {MAX_LOCAL} octets")
    return Address(local=local, domain=_domain(domain))


def parse_reverse_path(text: str) -> Address | None:
    """The reverse-path; None is the null sender `<>` (RFC 5321 section 4.5.5)."""
    if text.strip() in ("", "<>"):
        return None
    return parse_address(text)


def domain_of(address: str) -> str:
    """The lower-cased domain of an address already taken in; "" for the null sender."""
    return address.strip("<> \t").rpartition("@")[2].lower()


def person_id(key: bytes, address: str) -> str:
    """A keyed hash that stands for a person in history: 16 hex digits, not to be reversed
    without the key. The local part is folded too: Jo@ and jo@ are one person to every site we
    know, and two ids for one person cannot be erased together."""
    normalised = address.strip().strip("<>").lower().encode("utf-8", "surrogatepass")
    return hmac.digest(key, b"person\0" + normalised, hashlib.sha256).hex()[:16]


def _domain(domain: str) -> str:
    if domain.startswith("[") and domain.endswith("]"):
        literal = domain[1:-1]
        if literal.lower().startswith("ipv6:"):
            literal = literal[5:]
        try:
            ipaddress.ip_address(literal)
        except ValueError:
            raise AddressError("not an address literal") from None
        return domain.lower()
    # Lower-casing can lengthen ("İ"), so the bound is on what we keep.
    domain = domain.lower()
    if not domain or len(domain.encode()) > MAX_DOMAIN or _CONTROL.search(domain):
        raise AddressError("the domain is empty, too long or holds a control character")
    if not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise AddressError("the domain is not a host name")
    return domain
