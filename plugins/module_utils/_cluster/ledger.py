# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger in the cluster: one immutable ConfigMap a statement.

The name of each holds its place in the chain, so that creating it is the compare-and-swap: of two writers who want the
same place one gets a conflict, reads again and takes the next. Nothing is ever updated or deleted.

PRIVATE to this collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .._core.clock import Clock, SystemClock, rfc3339
from .._core.errors import BadInput, Conflict, Denied, NotFound
from .._core.operation import Action, Context
from .._core.plan import Json, Step
from .._core.ports import FINISHED, UNDONE
from .._core.progress import Reporter
from .._core.signatures import Signer, Verifier
from .._core.statements import (
    HELD,
    PRUNED,
    RELEASED,
    Draft,
    LedgerBroken,
    RecoveryPoint,
    Statement,
    fold,
    next_statement,
    verify_chain,
)
from .client import Cluster, Object
from .kinds import named
from .state import JOURNAL_LABEL, STATE_LABEL, TARGET_LABEL, no_state_namespace, target_label

LEDGER_LABEL = "knowngood.io/ledger"
STATEMENT_LIMIT = 512 * 1024
SIGNING_KEY, TRUSTED_KEYS = "KNOWNGOOD_LEDGER_KEY_FILE", "KNOWNGOOD_LEDGER_TRUSTED_KEYS_FILE"
_TRIES = 100
Check = Callable[[Sequence[Statement]], None]
_DATA = "statement.json"


class LedgerStore:
    """Ledgers of applications in the state namespace.

    ``signer`` signs what is appended, ``verifier`` asks for good signatures when reading. Where they are not given, the
    environment names files for them (``KNOWNGOOD_LEDGER_KEY_FILE``, ``KNOWNGOOD_LEDGER_TRUSTED_KEYS_FILE``: PEM);
    without those, statements are ``unsigned`` and only the chain is checked.
    """

    def __init__(
        self,
        cluster: Cluster,
        state_namespace: str,
        *,
        clock: Clock | None = None,
        signer: Signer | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        self._cluster = cluster
        self._namespace = state_namespace
        self._clock = clock or SystemClock()
        self._signer = signer or _signer_from_environment()
        self._verifier = verifier or _verifier_from_environment()

    @property
    def namespace(self) -> str:
        """Where the ledgers are."""
        return self._namespace

    def read(self, target: str) -> tuple[Statement, ...]:
        """The whole chain, verified. Raises LedgerBroken naming the statement that is wrong."""
        selector = f"{LEDGER_LABEL}={target_label(target)}"
        items = self._cluster.list("ConfigMap", self._namespace, selector=selector)
        chain = sorted((self._statement(item, target) for item in items), key=lambda s: s.seq)
        verify_chain(target, chain, self._verifier, where=f"namespace {self._namespace}")
        return tuple(chain)

    def standing(self, target: str) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
        """The whole chain, verified, and the names of the application's unfinished journals, by one request.

        Raises LedgerBroken as :meth:`read` does; also for a chain whose first statements lack the label that finds
        them here. :meth:`read` finds those.
        """
        selector = f"{TARGET_LABEL}={target_label(target)},{STATE_LABEL} notin ({FINISHED},{UNDONE})"
        items = self._cluster.list("ConfigMap", self._namespace, selector=selector)
        stated = [item for item in items if LEDGER_LABEL in item["metadata"]["labels"]]
        chain = tuple(sorted((self._statement(item, target) for item in stated), key=lambda s: s.seq))
        verify_chain(target, chain, self._verifier, where=f"namespace {self._namespace}")
        return chain, tuple(item["metadata"]["name"] for item in items if JOURNAL_LABEL in item["metadata"]["labels"])

    def points(self, target: str) -> tuple[RecoveryPoint, ...]:
        """The recovery points of an application, in the order of capture."""
        return fold(self.read(target))

    def append(
        self, target: str, kind: str, point: str, body: Mapping[str, Json], by: str = "", key: str = ""
    ) -> Statement:
        """States one fact and returns it; the one that is there already when ``key`` was used before.

        ``by`` is the cluster's name for this identity when it is empty; ``key`` defaults to what the statement says.
        """
        draft = Draft(kind, point, body, key or f"{kind}:{point}")
        return self.append_all(target, [draft], by=by)[0]

    def append_all(
        self, target: str, drafts: Sequence[Draft], *, by: str = "", check: Check | None = None
    ) -> tuple[Statement, ...]:
        """States facts in order, each once. After a crash the same call goes on where it stopped.

        ``check`` is asked before each write of the very chain that the statement will follow, and may raise.
        """
        chain = self.read(target)
        name = by
        made: list[Statement] = []
        for draft in drafts:
            there = _by_key(chain, draft.key)
            if there is None:
                name = name or self._whoami()
                chain, there = self._append(target, chain, draft, name, check)
            made.append(there)
        return tuple(made)

    def _append(
        self, target: str, chain: tuple[Statement, ...], draft: Draft, by: str, check: Check | None
    ) -> tuple[tuple[Statement, ...], Statement]:
        for _attempt in range(_TRIES):
            if check:
                check(chain)
            at = rfc3339(self._clock.now())
            statement = next_statement(chain, target, draft, at=at, by=by, signer=self._signer)
            try:
                self._cluster.create(self._manifest(statement))
            except NotFound as error:
                raise no_state_namespace(self._namespace) from error
            except Conflict as error:
                seen = len(chain)
                chain = self.read(target)
                there = _by_key(chain, draft.key)
                if there is not None:
                    return chain, there
                if len(chain) == seen:
                    raise LedgerBroken(
                        f"the place of statement {statement.seq} of {target} is taken by an object outside the ledger",
                        where=named("ConfigMap", statement_name(statement), self._namespace),
                        why="it does not carry the ledger's label: the label was removed, or it was made by hand",
                        next="look at that object: kubectl get configmap -o yaml",
                    ) from error
                continue
            return (*chain, statement), statement
        raise Conflict(
            f"the ledger of {target} is written by others all the time",
            where=f"namespace {self._namespace}",
            why=f"{_TRIES} places in a row were taken",
            next="run the same task again",
        )

    def _statement(self, item: Object, target: str) -> Statement:
        where = named("ConfigMap", item["metadata"]["name"], self._namespace)
        text = (item.get("data") or {}).get(_DATA)
        if text is None:
            raise LedgerBroken("a statement cannot be read", where=where, why=f"it has no {_DATA}")
        statement = Statement.from_json(text, where=where)
        if item["metadata"]["name"] != statement_name(statement):
            raise LedgerBroken(
                f"the ledger of {target} is broken at {statement.name}",
                where=where,
                why=f"its object should be called {statement_name(statement)}",
                details={"statement": statement.seq},
            )
        return statement

    def _manifest(self, statement: Statement) -> Object:
        text = statement.to_json()
        if len(text) > STATEMENT_LIMIT:
            raise BadInput(
                "a statement is too big for the ledger",
                where=f"{statement.kind} {statement.point}",
                why=f"{len(text)} bytes, the limit is {STATEMENT_LIMIT}",
                next="keep big things in files; the ledger takes their sha256",
            )
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": statement_name(statement),
                "namespace": self._namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "knowngood",
                    LEDGER_LABEL: target_label(statement.target),
                    TARGET_LABEL: target_label(statement.target),
                    "knowngood.io/statement": statement.kind,
                },
            },
            "immutable": True,
            "data": {_DATA: text},
        }

    def _whoami(self) -> str:
        try:
            return self._cluster.whoami()
        except (Denied, NotFound):
            return "unknown"


def statement_name(statement: Statement) -> str:
    """The name of a statement's ConfigMap: ``<namespace>.<application>-<six digits>``."""
    return f"{statement.target.replace('/', '.')}-{statement.seq:06d}"


def _by_key(chain: Sequence[Statement], key: str) -> Statement | None:
    return next((statement for statement in chain if statement.key == key), None)


def _signer_from_environment() -> Signer | None:
    path = os.environ.get(SIGNING_KEY, "")
    return Signer.from_pem(_file(path, SIGNING_KEY), where=path) if path else None


def _verifier_from_environment() -> Verifier | None:
    path = os.environ.get(TRUSTED_KEYS, "")
    if not path:
        return None
    end = b"-----END PUBLIC KEY-----"
    blocks = [block + end for block in _file(path, TRUSTED_KEYS).split(end)[:-1]]
    if not blocks:
        raise BadInput("no public key in the file of trusted keys", where=f"{TRUSTED_KEYS}={path}")
    return Verifier.from_pem(tuple(block.strip() for block in blocks), where=path)


def _file(path: str, variable: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise BadInput("a key file of the ledger cannot be read", where=f"{variable}={path}", why=str(error)) from error


_UNDO_IT = "undo this operation, then ask again"

# -- the action ---------------------------------------------------------------------------------------------------


class AppendAction:
    """``ledger.append``. Params: ``target``, ``statements``: a list of ``kind``, ``point``, ``body``, ``key``.

    Result: ``statements``: a list of ``seq``, ``kind``, ``point``, ``hash``. A ledger forgets nothing, so undo states
    the contrary where there is one (a hold is released, a release held again) and leaves the rest.
    """

    _CONTRARY = {HELD: RELEASED, RELEASED: HELD}

    def __init__(self, store: LedgerStore) -> None:
        self._store = store

    def done(self, step: Step, context: Context) -> bool:
        del context
        there = {statement.key for statement in self._store.read(step.params["target"])}
        return all(draft.key in there for draft in _drafts(step))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del context
        drafts = _drafts(step)

        def check(chain: Sequence[Statement]) -> None:
            _refuse_contradictions(chain, drafts)

        return _told(self._store.append_all(step.params["target"], drafts, check=check))

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        contrary = [
            Draft(
                self._CONTRARY[draft.kind],
                draft.point,
                {**draft.body, "reason": f"operation {context.operation_id} was undone"},
                f"undo:{draft.key}",
            )
            for draft in _drafts(step)
            if draft.kind in self._CONTRARY
        ]
        there = {statement.key for statement in self._store.read(step.params["target"])}
        stated = [draft for draft in contrary if draft.key.removeprefix("undo:") in there]
        return _told(self._store.append_all(step.params["target"], stated)) if stated else None


def _refuse_contradictions(statements: Sequence[Statement], drafts: Sequence[Draft]) -> None:
    """Asked under the lease: a plan may be older than a hold, or than a pruning. Raises Conflict."""
    there = {statement.key for statement in statements}
    points = {point.id: point for point in fold(statements)}
    for draft in drafts:
        point = points.get(draft.point)
        if draft.key in there or point is None:
            continue
        if draft.kind == PRUNED and point.held:
            raise Conflict(f"{point.id} is held", why="it was put on hold after this was planned", next=_UNDO_IT)
        if draft.kind == HELD and point.pruned:
            raise Conflict(f"{point.id} was pruned", why="it was given up after this was planned", next=_UNDO_IT)


def _drafts(step: Step) -> list[Draft]:
    return [Draft(item["kind"], item["point"], item["body"], item["key"]) for item in step.params["statements"]]


def _told(statements: Sequence[Statement]) -> dict[str, Json]:
    return {"statements": [{"seq": s.seq, "kind": s.kind, "point": s.point, "hash": s.hash} for s in statements]}


def append_step(name: str, target: str, drafts: Sequence[Draft], *, done: bool = False) -> Step:
    """A step that states these facts."""
    params: dict[str, Json] = {
        "target": target,
        "statements": [{"kind": d.kind, "point": d.point, "body": dict(d.body), "key": d.key} for d in drafts],
    }
    return Step(name, "ledger.append", touches=(f"ledger {target}",), params=params, done=done)


def actions(cluster: Cluster, *, state_namespace: str, clock: Clock, reporter: Reporter) -> dict[str, Action]:
    """The ledger's actions by name."""
    del reporter
    return {"ledger.append": AppendAction(LedgerStore(cluster, state_namespace, clock=clock))}
