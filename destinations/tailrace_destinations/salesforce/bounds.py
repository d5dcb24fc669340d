"""What a field takes beyond its type: how long a text may be, which values a restricted picklist has, what an id is.

Only what Salesforce is certain to refuse is refused here. In doubt a value is sent, and Salesforce decides.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import add, and_
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from tailrace_destinations.plain import Unfit, close_names
from tailrace_destinations.salesforce.encode import CHECKSUMS, SHORT_ID, id18

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOT_A_CHOICE: Final = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
TOO_LONG: Final = "STRING_TOO_LONG"
NO_ID: Final = "MALFORMED_ID"
ID_TYPES: Final = frozenset({"id", "reference"})
_MEASURED: Final = frozenset({
    "string", "textarea", "phone", "url", "email", "encryptedstring", "picklist", "combobox", "multipicklist",
})  # fmt: skip
_FREE_TEXT: Final = frozenset({"string", "textarea"})
"""Types of which the beginning is worth something: half an e-mail address or URL is a wrong one."""
RECORD_ID: Final = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")
_CHUNK: Final = 5
_JOINER: Final = "\u200d"
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_LISTED: Final = 8


@dataclass(frozen=True)
class Bounds:
    """What texts a field takes."""

    length: int = 0
    """Most characters; 0 where there is no limit."""
    active: tuple[str, ...] = ()
    """API values of a restricted picklist that are active; none where it is free."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """API values by what people see in their place, in lower case."""
    inactive: frozenset[str] = frozenset()
    several: bool = False
    """Whether a text is a list of values with `;` between them."""
    identifies: bool = False
    """Whether texts are record ids."""
    opaque: bool = False
    """Whether what a value is sent as cannot be seen from its text."""
    free: bool = False
    """Whether texts are free ones, which may be cut."""
    cuts: bool = False
    """Whether what is too long is cut."""

    @cached_property
    def _folded(self) -> frozenset[str]:
        return frozenset(known.casefold() for known in self.active)

    def fit(self, text: str) -> str:
        """The text as it is sent; Unfit, whose words do not hold it, where Salesforce would refuse it."""
        bare = text.strip()
        if not bare:
            return text  # Salesforce keeps no blank text: it clears
        if self.identifies:
            return record_id(bare)
        if self.active:
            for value in bare.split(";") if self.several else (bare,):
                self._chosen(value.strip())
        if not self.length or len(bare) <= self.length // 2:
            return text
        return self._measured(text, bare)

    def _measured(self, text: str, bare: str) -> str:
        if self.cuts:
            return text if units(bare) <= self.length else cut(bare, self.length)
        # Salesforce's own functions count UTF-16 units (help article 005166849), and whether the limit of a field does
        # is not documented. What has too many characters by either count is certain to be refused.
        if len(bare) > self.length:
            how = ", or set `too_long: truncate` in the sync" if self.free else ""
            words = f"the text has {len(bare):,} characters, and the field takes {self.length:,}"
            raise Unfit(TOO_LONG, f"{words}; shorten it in the model{how}")
        return text

    def _chosen(self, value: str) -> None:
        # Whether case counts is not documented.
        if value and value.casefold() not in self._folded:
            raise Unfit(NOT_A_CHOICE, self._no_choice(value))

    def _no_choice(self, value: str) -> str:
        meant = self.labels.get(value.casefold())
        if meant is not None:
            return f"the value is a label, and the API takes the value behind it: send {meant!r}"
        if value in self.inactive:
            return f"the value is inactive in this restricted picklist{self._others(value)}"
        return f"the picklist is restricted and has no such active value{self._others(value)}"

    def _others(self, value: str) -> str:
        near = close_names(value, self.active)
        if near:
            return near
        more = ", …" if len(self.active) > _LISTED else ""
        return f"; it takes {', '.join(self.active[:_LISTED])}{more}"

    def suspects(self, texts: pl.Series) -> pl.Series | None:
        """Which texts `fit` may refuse or change, seen at once; None when it takes all as they are."""
        if self.opaque:
            return texts.is_not_null()
        if self.identifies:
            return texts.is_not_null() & ~_intact(texts)
        if self.active:
            return texts.is_not_null() & ~texts.is_in(list(self.active))
        if not self.length:
            return None
        # UTF-8 never has fewer bytes than UTF-16 has units.
        longest = texts.str.len_bytes().max()
        if not isinstance(longest, int) or longest <= self.length:
            return None
        return (texts.str.len_bytes() > self.length).fill_null(value=False)


def bounds(entry: Mapping[str, Any], *, cuts: bool) -> Bounds:
    """The bounds of a field of a describe answer."""
    type_ = str(entry.get("type"))
    if type_ in ID_TYPES:
        return Bounds(identifies=True)
    if type_ not in _MEASURED:
        return Bounds()
    length = int(entry.get("length") or 0)
    values = list(entry.get("picklistValues") or ()) if entry.get("restrictedPicklist") else []
    free = _may_be_cut(entry, type_)
    active = tuple(str(value["value"]) for value in values if value.get("active", True))
    return Bounds(
        length,
        active,
        labels=_labels(values, active),
        inactive=frozenset(str(value["value"]) for value in values) - frozenset(active),
        several=type_ == "multipicklist",
        free=free,
        cuts=cuts and free,
    )


def _labels(values: Iterable[Mapping[str, Any]], active: tuple[str, ...]) -> dict[str, str]:
    found = {str(value.get("label") or "").casefold(): str(value["value"]) for value in values}
    return {label: value for label, value in found.items() if value in active}


def _may_be_cut(entry: Mapping[str, Any], type_: str) -> bool:
    """Cut keys would mean other records, and cut HTML is no HTML."""
    identifies = any(entry.get(mark) for mark in ("unique", "externalId", "idLookup"))
    return type_ in _FREE_TEXT and not identifies and not entry.get("htmlFormatted")


def record_id(text: str) -> str:
    """A record id in its 18-character form; Unfit when it is none.

    The last three characters of the long form say which of the others are capitals. An id whose case was changed on
    its way is thereby told from another record's, which in the short form it would be taken for.
    """
    if not RECORD_ID.fullmatch(text):
        raise Unfit(NO_ID, f"a record id has 15 or 18 letters and digits; this text has {len(text):,} characters")
    long = id18(text[:SHORT_ID])
    if len(text) != SHORT_ID and long != text:
        raise Unfit(NO_ID, "the last three characters of the record id do not fit the others: its case was changed")
    return long


def _intact(texts: pl.Series) -> pl.Series:
    """Which texts are ids of 18 characters as they should be: `record_id` gives them back as they are."""
    whole = texts.str.contains(r"^[0-9A-Za-z]{18}\z")
    fits = [_checks(texts, start, SHORT_ID + number) for number, start in enumerate(range(0, SHORT_ID, _CHUNK))]
    return reduce(and_, fits, whole).fill_null(value=False)


def _checks(texts: pl.Series, start: int, place: int) -> pl.Series:
    """Whether the character at `place` says which of the five from `start` on are capitals."""
    capitals = [texts.str.slice(start + bit, 1).is_between(pl.lit("A"), pl.lit("Z")) for bit in range(_CHUNK)]
    bits = reduce(add, [capital.cast(pl.UInt8) * (1 << bit) for bit, capital in enumerate(capitals)])
    return bits.replace_strict(dict(enumerate(CHECKSUMS)), return_dtype=pl.String) == texts.str.slice(place, 1)


def units(text: str) -> int:
    """How many 16-bit units the text has in UTF-16."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def cut(text: str, most: int) -> str:
    """The beginning of a text that has at most so many UTF-16 units, ending with a whole character.

    An accent, a skin tone, or the rest of a joined emoji is not parted from what it belongs to.
    """
    end = room = 0
    for letter in text:
        room += units(letter)
        if room > most:
            break
        end += 1
    whole = end
    while 0 < whole < len(text) and _belongs(text[whole - 1], text[whole]):
        whole -= 1
    return text[: whole or end].rstrip()


def _belongs(before: str, letter: str) -> bool:
    """Whether a letter is part of the character that the one before it belongs to."""
    if _JOINER in {before, letter} or ord(letter) in _SKIN_TONES:
        return True
    return unicodedata.category(letter).startswith("M")
