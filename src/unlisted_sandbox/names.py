"""Made-up names: people, their addresses, tenants. All under .example (RFC 2606)."""

from __future__ import annotations

from unlisted_sandbox.chance import Draw


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words(
    """ada adrian agnes alan alba albert alice alma amir amira anders andrea anna anton arne astrid
    beata benno bianca boris brigit bruno carla carlos caspar celia chiara clara colin conrad dagmar
    daniel daria david delia diego dora edgar edith elena elias elif ella emil emma enzo erik esther
    eva fabian farah felix fiona frank freya gemma georg greta gustav hana hanna hugo ida ilja ines
    ingrid irena iris ivan jakob jana jasper joan jonas judith julia kai karin karl kate kira klara
    lars laura lea leo liam lina linus livia lorenz lucia ludwig luis lukas magda malte mara marc
    maria marta mateo maud max mia mila miriam moritz nadia nele nils nina nora olaf olga oscar otto
    paul paula pavel pia rafael ramon rita robin rosa ruben rut samir samuel sara selma simon sofia
    stefan sven tamar tara theo tilda tim toni ulla vera viktor vincent wanda wim xenia yara yusuf
    zoe"""
)
LAST = _words(
    """abbott adler ahlberg albrecht amato andersen arendt aubert bach baker barth bauer becker
    bellini berg bianchi blum bonnet borg brandt braun brooks brunner bruun carter castro chandler
    clarke coleman conti costa craig dahl dalton decker diaz dietz doyle drake dubois eklund ellis
    engel erdem faber fabbri falk farrow fenner ferrari fischer forster fox frank frey fuchs gallo
    garcia geiger gibbs gray greco haas hagen hale hansen harper hartmann heller herzog hoffman holm
    horvat hughes ibsen ivanov jansen jensen keller kelly kern klein koch kovac kramer krause kurz
    lambert lang larsen lenz leroy lind lopez lorenz lund maier marino marsh martin mayer meier
    mendez meyer miller moreau moretti moser mueller naumann nielsen norris novak nowak olsen ortiz
    otto owens palmer parker pavlov peters petit pohl porter quinn ramos reed reiter ricci richter
    rivera rossi roth russo sander santos sauer schmidt scholz schulz seidel silva simon sommer
    stark steiner stone svensson tanner thomsen toth ulrich urban vance vidal vogel voss wagner
    walker weber weiss werner west wolf wright young zeller ziegler"""
)
PLACE = _words(
    """alder amber ash aspen barrow beacon birch bram bridge brook castle cedar chalk clay cliff
    copper crane dale elm ember falcon fern field ford garnet glen granite hazel heath heron hill
    holly iron ivory juniper keel lake lark linden maple marsh meadow mill moor moss north oak
    orchard otter pine plover quarry raven reed ridge river rowan saddle sage shore silver south
    spruce stone swan thorn timber vale wharf willow wren"""
)
TRADE = _words(
    """academy archive bakery books brewery builders care chapel choir clinic college council cycles
    dairy dental design electric energy farms film foods forum foundry freight garden gallery glass
    homes hotel joinery kitchen labs legal library logistics marine media museum music nursery
    optics paper pharmacy press print radio rail repair roasters school seeds software sport studio
    supply systems textiles theatre tools tours travel trust union vets watch works"""
)
_FORMS = ("{f}.{l}", "{f}.{l}", "{i}{l}", "{f}_{l}", "{f}{n}", "{l}.{f}", "{f}.{l}{n}", "{i}.{l}")


def full_name(draw: Draw) -> tuple[str, str]:
    """First and last name, in lower case."""
    return draw.pick(FIRST), draw.pick(LAST)


def local_part(draw: Draw) -> str:
    first, last = full_name(draw)
    form = draw.pick(_FORMS)
    return form.format(f=first, l=last, i=first[0], n=draw.below(90) + 10)


def called(address: str) -> str:
    """How a letter calls the owner of an address: by the first name, if the address tells."""
    first = address.partition("@")[0].partition(".")[0].partition("_")[0].rstrip("0123456789")
    return first.capitalize() if first in FIRST else ""


def tenant_domain(draw: Draw) -> str:
    return f"{draw.pick(PLACE)}{draw.pick(PLACE)}-{draw.pick(TRADE)}.example"
