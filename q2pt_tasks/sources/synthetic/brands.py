"""Invented brands, the sizes that shoppers type, and which modifiers make sense, by family of product types."""

from collections.abc import Mapping
from dataclasses import dataclass

from q2pt_tasks.sources.synthetic.words import stable_number

# A brand sells more, but this many types at most come to a shopper's mind when it is typed alone.
MOST_MEANINGS = 3


@dataclass(frozen=True)
class Family:
    """What queries for the product types of one family are made of, besides the type's name.

    A brand may stand in several families. `modifiers` is a subset of `words.MODIFIERS`.
    """

    brands: tuple[str, ...]
    sizes: tuple[str, ...]
    modifiers: frozenset[str]


def _family(brands: str, sizes: str, modifiers: str) -> Family:
    return Family(tuple(brands.split()), tuple(sizes.split()), frozenset(modifiers.split()))


FAMILIES: Mapping[str, Family] = {
    "apparel": _family(
        "velquist norrabo tamsinel orveda", "xs s m l xl xxl 38 40 42", "colour material audience quality"
    ),
    "footwear": _family(
        "stravino kepmark norrabo", "36 37 38 39 40 41 42 43 44 45", "colour material audience quality"
    ),
    "accessories": _family("luzenne orveda gravelo", "s m l 20cm 75cm", "colour material audience quality"),
    "electronics": _family("voltaro zenyx pixolan kuromatic", "64gb 128gb 1tb 15.6 27 55 4k", "colour quality"),
    "home": _family("hemvik casolare brodahl zenyx", "80x200 140x200 160x230 60cm 2m", "colour material quality"),
    "kitchen": _family("kastrella brunivo hemvik", "20cm 28cm 500ml 1.5l 6l", "colour material quality"),
    "beauty": _family("liravelle aquenza mirobel", "50ml 100ml 200ml", "audience quality"),
    "baby": _family("pimbolo nestriko tamsinel", "250ml 0-6 6-12", "colour audience quality"),
    "sports": _family("fjelltra arqana stravino", "3kg 10kg 180cm 26 28", "colour audience quality"),
    "garden_tools": _family("drovak terrigan boltrex", "5m 18v 20v 10l", "colour material quality"),
    "toys": _family("wumbolo kiddaro pimbolo", "50cm 500 1000", "colour audience quality"),
    "office": _family("scrivano paprello", "a4 a5 2026", "colour quality"),
    "pet": _family("rufflino miawo", "2kg 10kg 15kg", "quality"),
    "grocery": _family("solarna dulcibon montebraz", "250g 500g 1kg 1l", "quality"),
    "auto_music": _family("rotexa cadenzo", "5l 12v 205/55r16", "quality"),
}


def brand_types(families: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The one to three product types that each brand is known for, of those in `families` (product type -> family)."""
    sold: dict[str, list[str]] = {}
    for product_type, family in families.items():
        for brand in FAMILIES[family].brands:
            sold.setdefault(brand, []).append(product_type)
    return {brand: _best_known(brand, types) for brand, types in sold.items()}


def model_name(brand: str, product_type: str) -> str:
    """The model of a brand's product of this type, the same in every store: such as `voltaro kx430`."""
    number = stable_number("model", brand, product_type)
    letters = "".join(chr(ord("a") + number // 26**place % 26) for place in range(2))
    return f"{brand} {letters}{number // 26**2 % 90 * 10 + 100}"


def _best_known(brand: str, types: list[str]) -> tuple[str, ...]:
    how_many = 1 + stable_number("meanings", brand) % MOST_MEANINGS
    return tuple(sorted(types, key=lambda product_type: stable_number("known for", brand, product_type))[:how_many])
