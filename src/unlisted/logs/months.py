"""The months as `journalctl` abbreviates them in the language of its user: strftime(3) `%b`.

Locales of glibc. Where two languages mean different months by one word (Croatian `lis`), the one
with more speakers has it. Knows no long names.
"""

_ROWS = (
    "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",  # de
    "Jän Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez",  # de, Austria
    "janv févr mars avril mai juin juil août sept oct nov déc",  # fr
    "ene feb mar abr may jun jul ago sep oct nov dic",  # es
    "gen feb mar apr mag giu lug ago set ott nov dic",  # it
    "jan fev mar abr mai jun jul ago set out nov dez",  # pt
    "jan feb mrt apr mei jun jul aug sep okt nov dec",  # nl
    "jan feb mars apr maj juni juli aug sept okt nov dec",  # sv, da
    "jan feb mars april mai juni juli aug sep okt nov des",  # nb
    "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",  # fi
    "sty lut mar kwi maj cze lip sie wrz paź lis gru",  # pl
    "led úno bře dub kvě čen čec srp zář říj lis pro",  # cs
    "jan febr márc ápr máj jún júl aug szept okt nov dec",  # hu
    "янв фев мар апр мая июн июл авг сен окт ноя дек",  # ru
    "янв фев мар апр май июнь июль авг сент окт нояб дек",  # ru, older
    "січ лют бер кві тра чер лип сер вер жов лис гру",  # uk  # noqa: RUF001
    "Oca Şub Mar Nis May Haz Tem Ağu Eyl Eki Kas Ara",  # tr
    "ian feb mar apr mai iun iul aug sep oct noi dec",  # ro
    "1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月",  # ja, zh
    "1월 2월 3월 4월 5월 6월 7월 8월 9월 10월 11월 12월",  # ko
)
_NUMBERS: dict[str, int] = {}
for _row in _ROWS:
    for _number, _name in enumerate(_row.split(), start=1):
        _NUMBERS.setdefault(_name.casefold(), _number)


def month_of(word: str) -> int | None:
    """1 to 12, by the abbreviation with or without its full stop."""
    return _NUMBERS.get(word.removesuffix(".").casefold())
