# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a bridge: it is taken out of what is sent with each leaf.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from .._core.errors import Conflict
from .._core.operation import Context
from .._core.plan import Json, Step
from .ca_plan import leaf_in
from .ca_subject import CaSubject, stored
from .certificates import read_chain
from .secrets import CRT
from .subject import Tools
from .trust import grown, holds, shrunk

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Unbridge:
    """``tls.ca_unbridge``: the bridge out of what is sent with a leaf. Its undo puts it there again."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        ca = CaSubject.of(self.tools, step, context)
        spki = str(ca.subject.result("stage").get("spki", ""))
        return bool(spki) and not holds(self._text(step), spki)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        self._change(step, lambda text: shrunk(text, ca.new_ca.spki)[0])
        return {"removed": ca.new_ca.spki}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        ca = CaSubject.of(self.tools, step, context)
        (bridge,) = read_chain(ca.bridge).certificates
        self._change(step, lambda text: grown(text, bridge))
        return {"put_back": bridge.fingerprint}

    def _text(self, step: Step) -> bytes:
        return stored(self.tools, leaf_in(step.params["leaf"]).target).value(CRT)

    def _change(self, step: Step, change: Callable[[bytes], bytes]) -> None:
        """One write with the Secret's resourceVersion; made anew on what somebody else wrote in between."""
        for attempt in range(_TRIES):
            secret = stored(self.tools, leaf_in(step.params["leaf"]).target)
            text = secret.value(CRT)
            wanted = change(text)
            if wanted == text:
                return
            meta = {k: v for k, v in secret.obj["metadata"].items() if k != "managedFields"}
            data = {**secret.obj["data"], CRT: base64.b64encode(wanted).decode()}
            try:
                self.tools.cluster.update({**secret.obj, "metadata": meta, "data": data})
                return
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
