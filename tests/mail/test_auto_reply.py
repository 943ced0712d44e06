"""Answers by machines: what shows one, and what only looks like one."""

import pytest

from unlisted.mail.bounce import parse_bounce


def _kinds(subject: str, extra: str = "") -> list[str]:
    raw = f"From: Jo <jo@site.example>\nTo: sender@tenant.example\n{extra}Subject: {subject}\n\nHello."
    return [record.kind for record in parse_bounce(raw.encode())]


@pytest.mark.parametrize(
    "subject",
    [
        "AUTO: Jo Doe is out of the office (returning 05/01/2027)",
        "Jo Doe is out of office",
        "Re: Offer (Automatic Response)",
        "Automatic reply: Offer",
        "Automatische Antwort: Offer",
        "Automatiska atbilde: Offer",
        "[Automatyczna odpowiedź] Offer",
        "Automatická odpověď: Offer",
        "Automatikus válasz: Offer",
        "Otomatik yanıt: Offer",
        "Αυτόματη απάντηση: Offer",
        "Автоматична відповідь: Offer",
        "自动答复: Offer",
        "ตอบอัตโนมัติ: Offer",
    ],
)
def test_the_subjects_of_mail_programs_show_an_answer_by_a_machine(subject: str) -> None:
    assert _kinds(subject) == ["vacation"]


def test_an_acknowledgement_is_one_only_as_bulk_mail() -> None:
    subject = "Thank you for your e-mail"
    assert _kinds(subject, "Precedence: bulk\n") == ["vacation"]
    assert _kinds(subject) == []


@pytest.mark.parametrize("field", ["List-Id: <news.site.example>", "List-Unsubscribe: <x:y>"])
def test_what_is_sent_to_many_is_no_answer_whatever_its_subject(field: str) -> None:
    for subject in ("Vacation deals: last call", "Thank you for your e-mail"):
        assert _kinds(subject, f"Precedence: bulk\n{field}\n") == []
    assert _kinds("Vacation", f"Auto-Submitted: auto-replied\n{field}\n") == ["vacation"]


def test_a_person_answers_in_person() -> None:
    assert _kinds("Re: automatic replies are broken in our program") == []
    assert _kinds("Automobiles for sale") == []
