# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotations of a leaf and of a CA that are killed and failed, and what must be true after each way on.

The invariants are those of a rotation of a CA (a leaf's is its small case), each looked at on the wire:

- I1: whoever serves is trusted by whoever connects: no connection of the clients fails, ever (:class:`wire.Clients`).
- I2: trust holds the issuer of everything that is stored or served, also while everything stands still after a kill.
- I3: an old CA outlives its overlap: nothing that is served has expired or is not valid yet.
- I4: one writer: one operation came of it, and nobody is at work at the end.
- I5: where it stands can be told anew: the same task again, or an undo, finds the way from what is there.
"""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import FINISHED
from tests.integration.rotation_app import fingerprint
from tests.matrix.tasks import NOTHING, THERE, WENT_ON, Scenario, Task, again, put_back
from tests.matrix.wire import Wire, authority, leaf, let_through

LEAVES = ("web-tls", "client-tls")


def _certificate(wire: Wire, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(base64.b64decode(wire.web.secret(name)["data"]["tls.crt"]))[0]


def served_as_stored(wire: Wire) -> list[str]:
    """Every pod serves what is stored, by openssl in that pod."""
    stored, served = wire.web.stored(), wire.web.served()
    wrong = [] if len(served) == 2 else [f"{len(served)} pods"]
    return wrong + [f"{pod} serves {seen}, stored is {stored}" for pod, seen in served.items() if seen != stored]


def trust_in_order(wire: Wire) -> list[str]:
    """I2 and I3, of what is stored now."""
    now, trusted = dt.datetime.now(dt.UTC), wire.trusted()
    wrong = []
    for name in LEAVES:
        found = _certificate(wire, name)
        if not any(_signed(found, ca) for ca in trusted):
            wrong.append(f"{name} is of {found.issuer.rfc4514_string()}, which is not trusted")
        if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
            wrong.append(f"{name} is not valid now")
    return wrong


def _signed(found: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def one_writer(wire: Wire, task: Task) -> list[str]:
    new = [op.id for op in wire.operations() if op.id not in task.operations]
    return [] if len(new) <= 1 else [f"{len(new)} operations came of one task: {', '.join(new)}"]


def as_before(wire: Wire, task: Task) -> list[str]:
    now = wire.data()
    return [f"Secret {name} is not as it was" for name, was in task.before.items() if now[name] != was]


def _at_rest(wire: Wire) -> list[str]:
    return [*served_as_stored(wire), *wire.left_over()]


def _again(wire: Wire, task: Task) -> tuple[str, dict[str, Any], list[str]]:
    """The same task until it is done: the outcome, its result, what is wrong."""
    begun = wire.begun(task)
    ran = again(wire, task)
    if not ran.ok:
        return WENT_ON, {}, [ran.problem()]
    ended = begun is not None and begun.state == FINISHED
    wrong = ["asked again, it changed something"] if ended and ran.result["changed"] else []
    return (NOTHING if begun is None else THERE if ended else WENT_ON), ran.result, wrong


# -- a leaf


def _rotate(wire: Wire, mark: str) -> Task:
    return wire.task(
        "certificate_rotation",
        {"old": wire.web.stored()},
        targets=[{"secret": "web-tls", "namespace": wire.namespace}],
        issuer={"ca_secret": "web-ca"},
        incident=mark,
        probe_image=wire.scene.cluster.image(),
        reload_wait="1s",
    )


def _rotated(wire: Wire, task: Task) -> tuple[str, list[str]]:
    let_through(wire.scene)
    outcome, _result, wrong = _again(wire, task)
    if wire.web.stored() == task.facts["old"]:
        wrong.append("the old certificate is still stored")
    return outcome, [*wrong, *one_writer(wire, task), *wire.until(lambda: _at_rest(wire))]


def _rotation_undone(wire: Wire, task: Task) -> tuple[str, list[str]]:
    let_through(wire.scene)
    outcome, wrong = put_back(wire, task)
    return outcome, [*wrong, *as_before(wire, task), *one_writer(wire, task), *wire.until(lambda: _at_rest(wire))]


# -- the undo of a leaf's rotation


def _undo(wire: Wire, mark: str) -> Task:
    made = _rotate(wire, mark)
    ran = again(wire, made)
    assert ran.ok, ran.problem()
    task = wire.task("operation", {}, state="undone", id=str(ran.result["operation"]))
    task.before = made.before
    return task


def _undo_resumed(wire: Wire, task: Task) -> tuple[str, list[str]]:
    return _undo_ended(wire, task, "resumed")


def _undo_again(wire: Wire, task: Task) -> tuple[str, list[str]]:
    return _undo_ended(wire, task, "undone")


def _undo_ended(wire: Wire, task: Task, state: str) -> tuple[str, list[str]]:
    let_through(wire.scene)
    identity = task.options["id"]
    found = wire.journal.get(identity)
    assert found is not None
    # Killed before the undo was begun there is nothing to resume: it is asked for again.
    ran = wire.operation("undone" if found.state == FINISHED else state, identity)
    wrong = [] if ran.ok else [ran.problem()]
    outcome = NOTHING if found.state == FINISHED else WENT_ON if found.unfinished else THERE
    return outcome, [*wrong, *as_before(wire, task), *wire.until(lambda: _at_rest(wire))]


# -- a CA


def _rotate_ca(wire: Wire, mark: str) -> Task:
    del mark
    name = _certificate(wire, "web-ca").subject.rfc4514_string()
    generation = int(name.partition(" g")[2] or 1) + 1
    mutual = [{"service": "web", "client_secret": "client-tls", "server_name": "web"}]
    return wire.task(
        "ca_rotation",
        {"trust": _trust(wire)},
        ca_secret=f"{wire.namespace}/web-ca",
        generation=generation,
        leaves=[{"secret": "client-tls", "role": "client"}],
        mutual_tls=mutual,
        webhooks=False,
        probe_image=wire.scene.cluster.image(),
        soak="1s",
        reload_wait="1s",
    )


def _trust(wire: Wire) -> list[str]:
    return [fingerprint(one) for one in wire.trusted()]


def _stands(wire: Wire) -> list[str]:
    """While it stands still: I1 goes on, and I2 and I3 hold of what is there."""
    let_through(wire.scene)
    return trust_in_order(wire)


def _ca_rotated(wire: Wire, task: Task) -> tuple[str, list[str]]:
    stood = _stands(wire)
    outcome, result, wrong = _again(wire, task)
    if result and result["phase"] != "DONE":
        wrong.append(f"it ended in phase {result['phase']}")
    trusted, ca = _trust(wire), _certificate(wire, "web-ca")
    if trusted != [fingerprint(ca)] or trusted == task.facts["trust"]:
        wrong.append(f"trusted is {trusted}, the CA is {fingerprint(ca)}")
    wrong += [f"{name} is not of the new CA" for name in LEAVES if not _signed(_certificate(wire, name), ca)]
    return outcome, [*stood, *wrong, *one_writer(wire, task), *wire.until(lambda: _at_rest(wire))]


def _ca_undone(wire: Wire, task: Task) -> tuple[str, list[str]]:
    stood = _stands(wire)
    outcome, wrong = put_back(wire, task)
    if _trust(wire) != task.facts["trust"]:
        wrong.append(f"trusted is {_trust(wire)}, was {task.facts['trust']}")
    rest = [*as_before(wire, task), *one_writer(wire, task), *wire.until(lambda: _at_rest(wire))]
    return outcome, [*stood, *wrong, *rest]


ROTATIONS = (
    Scenario("rotation of a leaf", leaf, 30, _rotate, _rotated, _rotation_undone),
    Scenario("undo of a leaf's rotation", leaf, 16, _undo, _undo_resumed, _undo_again),
    Scenario("rotation of a CA", authority, 90, _rotate_ca, _ca_rotated, _ca_undone),
)
