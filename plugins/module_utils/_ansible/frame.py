# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The frame of every door: one call, one exit, errors and secrets handled in one place.

A door builds its ``AnsibleModule`` and hands it to :func:`run_door` with a function of the :class:`Frame`::

    def main() -> None:
        module = AnsibleModule(argument_spec={**AUTH_ARGS, **COMMON_ARGS, ...}, supports_check_mode=True)
        run_door(module, lambda frame: do_it(frame.connect(), ...), requires=("cryptography",))

PRIVATE to this collection.
"""

from __future__ import annotations

import importlib.util
import os
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .._core.errors import BadInput, KnownGoodError
from .._core.progress import Reporter
from .._core.redact import redact, redact_text
from . import programs
from .args import AUTH_ARGS
from .progress import reporter_from_environment
from .secrets import is_text, narrowed_mask
from .stopping import StopFlag

if TYPE_CHECKING:
    from .._cluster.auth import AuthOptions
    from .._cluster.client import Cluster

_OURS = "knowngood/kube/"
_TOLD = 20
"""How many warnings of a kind a person at a terminal still reads."""
_WHAT_FOR = {
    "kubernetes": "to talk to the cluster",
    "cryptography": "to read and sign certificates",
    "jmespath": "to evaluate match expressions and queries",
}


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str
    values: dict[str, Any]


class Frame:
    """What a door's call needs from Ansible, and nothing else of it.

    ``params``: validated options. ``check_mode``, ``diff``: what the run asks for. ``reporter``: live lines.
    ``stopping``: callable, true when the process was asked to stop.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self.params: dict[str, Any] = dict(module.params)
        self.check_mode = bool(module.check_mode)
        self.diff = bool(module._diff)
        self.reporter: Reporter = reporter_from_environment()
        self.stopping = StopFlag(self.reporter)

    @property
    def state_namespace(self) -> str:
        """The namespace of our own objects (ledger, journals, leases)."""
        return str(self.params["state_namespace"])

    def auth(self, prefix: str = "") -> AuthOptions:
        """The options about reaching the cluster, or the one of the options with ``prefix``.

        They are checked when the connection is made. Raises BadInput for a kubeconfig given as text: no message about a
        missing file may repeat it.
        """
        from .._cluster.auth import AuthOptions

        option = f"{prefix}kubeconfig"
        if is_text(self.params.get(option)):
            raise BadInput(
                f"{option} is neither a path nor a dictionary",
                why="it is the text of a kubeconfig",
                next=f'give the path of the file, or a dictionary: {option}: "{{{{ text | from_yaml }}}}"',
            )
        given: dict[str, Any] = {name: self.params.get(prefix + name) for name in AUTH_ARGS}
        if isinstance(given["kubeconfig"], str):
            given["kubeconfig"] = os.path.expanduser(os.path.expandvars(given["kubeconfig"]))
        given["impersonate_groups"] = tuple(given["impersonate_groups"] or ())
        return AuthOptions(**given)

    def connect(self) -> Cluster:
        """The cluster of the auth options. Raises BadInput, Unreachable or Denied."""
        from .._cluster.client import connect

        return connect(self.auth())

    def warn(self, text: str) -> None:
        """A warning to the user; Ansible masks none itself."""
        self._module.warn(redact_text(text))

    def warn_of_each(self, text: str, things: Sequence[str], listed: str) -> None:
        """A warning of each; of many those at the beginning, and the name of the return value that has them all."""
        for thing in things[:_TOLD]:
            self.warn(f"{text}: {thing}")
        if len(things) > _TOLD:
            self.warn(f"{text}: {len(things) - _TOLD} more, all of them are in {listed}")

    def run(self, command: list[str], environment: Mapping[str, str], limit_s: float) -> tuple[int, str, str]:
        """Exit status, output and error output of a program on this machine; ``environment`` is added to ours.

        Raises FileNotFoundError where there is no such program, TimeoutError when it took longer.
        """
        return programs.run(self._module, command, environment, limit_s)


def run_door(
    module: AnsibleModule, call: Callable[[Frame], dict[str, Any]], *, requires: Iterable[str] = ("kubernetes",)
) -> NoReturn:
    """Runs ``call`` and ends the module with its result, or with one clear failure.

    ``requires`` names the Python libraries without which nothing is started. The result and every message leave
    without secrets; ``diff`` leaves only when it was asked for. A failure holds ``msg``, ``error`` (``code``, ``what``,
    ``where``, ``why``, ``next``), ``changed`` and the error's own details.
    """
    module.no_log_values = narrowed_mask(module.no_log_values, module.params)
    frame = Frame(module)
    frame.stopping.listen()
    for library in requires:
        if importlib.util.find_spec(library) is None:
            _leave(module, _missing(library))
    outcome = _attempt(frame, call)
    if isinstance(outcome, _Failure):
        _leave(module, outcome)
    if not frame.diff:
        outcome.pop("diff", None)
    module.exit_json(**{"changed": False, **redact(outcome)})
    raise AssertionError("exit_json returned")


def _attempt(frame: Frame, call: Callable[[Frame], dict[str, Any]]) -> dict[str, Any] | _Failure:
    # Failures are returned, not reported here: outside the handler Ansible has no traceback to attach, and so no
    # message of another library slips out beside ours.
    try:
        return dict(call(frame))
    except KnownGoodError as error:
        return _known(error)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        return _missing(library) if library in _WHAT_FOR else _unexpected(error)
    except Exception as error:
        return _unexpected(error)


def _known(error: KnownGoodError) -> _Failure:
    facts = {"code": error.code, "what": error.what, "where": error.where, "why": error.why, "next": error.next}
    return _Failure(str(error), {**error.details, "error": facts, "changed": error.changed})


def _missing(library: str) -> _Failure:
    message = missing_required_lib(library, reason=_WHAT_FOR.get(library))
    facts = {"code": "missing_library", "what": f"the Python library {library} is missing", "where": "", "why": message}
    return _Failure(message, {"error": {**facts, "next": f"pip install {library}"}, "changed": False})


def _unexpected(error: Exception) -> _Failure:
    what = f"Unexpected {type(error).__name__}"
    places = [
        f"{entry.filename.rpartition(_OURS)[2]}:{entry.lineno} in {entry.name}"
        for entry in traceback.extract_tb(error.__traceback__)
    ]
    ours = [place for place in places if place.startswith("plugins/")] or places
    why = " ".join(str(error).split())[:500] or "no further text"
    facts = {"code": "unexpected", "what": what, "where": ours[-1], "why": why}
    advice = (
        "this is a bug of the collection, please report it with error.trace; whether something was changed is not "
        "known, knowngood.kube.operation lists what is unfinished"
    )
    return _Failure(
        f"{what} ({ours[-1]}): {why}. Next: {advice}",
        {"error": {**facts, "next": advice, "trace": places}, "changed": False},
    )


def _leave(module: AnsibleModule, failure: _Failure) -> NoReturn:
    module.fail_json(**{**redact(failure.values), "msg": redact_text(failure.message)})
    raise AssertionError("fail_json returned")
