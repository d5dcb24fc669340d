"""What a write did to other fields than planned, told with its outcome.

Fields that it left as they were: `code` is KEPT, `message` names them. More fields than planned: `code` is ANEW.

The journal and the run's history carry both as they carry any outcome, so that the fold knows of it
after a crash too, and people read it in `explain`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

KEPT = "fields_kept"
ANEW = "made_anew"
"""Code of an update whose record was gone, so that the row was written whole, as if it were new."""
ANEW_MESSAGE = "its record was gone: written whole, as a new one"
_FILLED = "has a value"
_LEFT = "goes with new records only"


def kept_message(filled: Iterable[str], left: Iterable[str]) -> str:
    """The message of an outcome that left fields alone: those the record has a value in, and others."""
    return json.dumps({**dict.fromkeys(sorted(left), _LEFT), **dict.fromkeys(sorted(filled), _FILLED)})


def kept_fields(message: str) -> Mapping[str, bool]:
    """The fields such a message names, and whether the record is known to have a value there."""
    try:
        named = json.loads(message)
    except ValueError:
        return {}
    return {name: said == _FILLED for name, said in named.items()} if isinstance(named, dict) else {}
