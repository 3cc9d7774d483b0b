"""Amounts as people say them where that is not as CLDR names a currency: in India, rupees and paise.

"7,250 rupees and 50 paise" is understood over a telephone; "7,250.50 Indian rupees" is not how anybody there says it.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from babel import Locale
from babel.core import get_global
from babel.numbers import format_decimal


@dataclass(frozen=True, slots=True)
class _Coins:
    """One rupee, several; one paisa, several; and what is said between the two amounts."""

    rupee: str
    rupees: str
    paisa: str
    paise: str
    joined: str = " "


_COINS: Mapping[str, _Coins] = {
    "en": _Coins("rupee", "rupees", "paisa", "paise", " and "),
    "hi": _Coins("रुपया", "रुपये", "पैसा", "पैसे"),
    "mr": _Coins("रुपया", "रुपये", "पैसा", "पैसे"),
    "bn": _Coins("টাকা", "টাকা", "পয়সা", "পয়সা"),
    "as": _Coins("টকা", "টকা", "পইচা", "পইচা"),
    "or": _Coins("ଟଙ୍କା", "ଟଙ୍କା", "ପଇସା", "ପଇସା"),
    "gu": _Coins("રૂપિયો", "રૂપિયા", "પૈસો", "પૈસા"),
    "pa": _Coins("ਰੁਪਿਆ", "ਰੁਪਏ", "ਪੈਸਾ", "ਪੈਸੇ"),
    "ta": _Coins("ரூபாய்", "ரூபாய்", "பைசா", "பைசா"),
    "te": _Coins("రూపాయి", "రూపాయలు", "పైసా", "పైసలు"),
    "kn": _Coins("ರೂಪಾಯಿ", "ರೂಪಾಯಿ", "ಪೈಸೆ", "ಪೈಸೆ"),
    "ml": _Coins("രൂപ", "രൂപ", "പൈസ", "പൈസ"),
    "ur": _Coins("روپیہ", "روپے", "پیسہ", "پیسے"),
}


def in_rupees(amount: Decimal, locale: Locale) -> str | None:
    """An amount of whole paise as it is said in India; None: the listener is elsewhere, or it is not known how."""
    coins = _COINS.get(locale.language)
    if coins is None or _territory(locale) != "IN":
        return None
    rupees, paise = divmod(int(abs(amount) * 100), 100)
    parts = []
    if rupees or not paise:
        parts.append(
            f"{format_decimal(rupees, locale=locale)} {coins.rupee if rupees == 1 else coins.rupees}"
        )
    if paise:
        parts.append(f"{paise} {coins.paisa if paise == 1 else coins.paise}")
    return ("-" if amount < 0 else "") + coins.joined.join(parts)


def _territory(locale: Locale) -> str:
    """Where it is spoken: as the tag says, or where most of its speakers are."""
    if locale.territory:
        return str(locale.territory)
    likely = get_global("likely_subtags").get(locale.language, "")
    return str(likely).rpartition("_")[2]
