"""What an enumeration takes: the internal values of its options. People see their labels, and send them by mistake."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from tailrace_destinations.plain import Unfit

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_OPTION: Final = "INVALID_OPTION"
"""HubSpot's own code for it."""
_LISTED: Final = 8


@dataclass(frozen=True)
class Choices:
    """The options of one property."""

    values: tuple[str, ...]
    """Internal values; hidden ones too, which HubSpot shows nowhere and still takes."""
    shown: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """Internal values by label, in lower case."""
    ordered: tuple[str, ...] = ()
    """Internal values in the order in which HubSpot shows them."""
    several: bool = False
    """Whether a text is a list of values with `;` between them."""

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.values)

    def fit(self, text: str) -> str:
        """The text, if all of it are options; Unfit, whose words do not hold it, where HubSpot would refuse it."""
        for value in text.split(";") if self.several else (text,):
            if value and value not in self._known:
                raise Unfit(NO_OPTION, self._no_option(value))
        return text

    def _no_option(self, value: str) -> str:
        meant = self.labels.get(value.strip().casefold())
        if meant is not None:
            return f"the value is a label, and the API takes the internal value of the option: send {meant!r}"
        exact = next((known for known in self.values if known.casefold() == value.strip().casefold()), None)
        if exact is not None:
            return f"options are compared to the letter: send {exact!r}"
        return f"no option has such an internal value{self._others(value)}"

    def _others(self, value: str) -> str:
        names = {**self.labels, **{known.casefold(): known for known in self.shown}}
        near = dict.fromkeys(names[hit] for hit in get_close_matches(value.casefold(), names, n=3, cutoff=0.6))
        if near:
            return f"; did you mean {' or '.join(near)}?"
        more = ", …" if len(self.shown) > _LISTED else ""
        return f"; there are {', '.join(self.shown[:_LISTED])}{more}" if self.shown else ""


def _place(option: Mapping[str, Any]) -> int:
    place = option.get("displayOrder")
    # Those without a place come last, as HubSpot has it.
    return place if isinstance(place, int) and place >= 0 else 1_000_000


def read_choices(entry: Mapping[str, Any]) -> Choices | None:
    """The options of a property as the properties API lists it; None where any value will do."""
    if entry.get("type") != "enumeration" or entry.get("externalOptions"):
        return None
    options = [option for option in entry.get("options") or () if "value" in option]
    if not options:
        return None
    shown = tuple(str(option["value"]) for option in options if not option.get("hidden"))
    labels: dict[str, str] = {}
    for option in options:
        label = str(option.get("label") or "").strip().casefold()
        # Of two options with one label neither is meant for sure.
        labels[label] = "" if label in labels else str(option["value"])
    return Choices(
        tuple(str(option["value"]) for option in options),
        shown,
        {label: value for label, value in labels.items() if label and value},
        tuple(str(option["value"]) for option in sorted(options, key=_place)),
        several=entry.get("fieldType") == "checkbox",
    )
