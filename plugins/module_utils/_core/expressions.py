# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JMESPath expressions out of options.

PRIVATE to this collection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import BadInput


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; ``what`` it is called in messages."""

    text: str
    what: str
    _compiled: Any = field(compare=False, repr=False)

    @classmethod
    def of(cls, text: str, what: str, option: str) -> Expression:
        """Raises BadInput for one that is no JMESPath, and where the library is missing."""
        try:
            import jmespath
        except ImportError as error:
            raise BadInput(
                f"{what} needs the Python library jmespath", where=option, next="pip install jmespath"
            ) from error
        try:
            return cls(text, what, jmespath.compile(text))
        except Exception as error:
            why = _line(error)
            raise BadInput(f"{what} is not a JMESPath expression", where=f"{option}: {text}", why=why) from error

    def search(self, data: Any) -> Any:
        """What it gives on the data. Raises BadInput when it cannot be evaluated on them: an error is never a miss."""
        try:
            return self._compiled.search(data)
        except Exception as error:
            raise BadInput(f"{self.what} fails on the data", where=self.text, why=_line(error)) from error

    def holds(self, data: Any) -> bool:
        """Is it true of the data? Nothing (null) is false. Raises BadInput also for anything but true and false."""
        found = self.search(data)
        if found is None or isinstance(found, bool):
            return bool(found)
        raise BadInput(
            f"{self.what} must give true or false",
            where=self.text,
            why=f"it gave a {type(found).__name__}",
            next="compare, for example: rule == 'js/sql-injection'",
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
