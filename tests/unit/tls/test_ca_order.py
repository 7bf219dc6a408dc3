# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of a CA's rotation, for random graphs and every interleaving of what arrives when.

The planner's steps are walked through in a model. A step waits where the real one waits for a fact; whatever is on its
way to a process (a store's text, a leaf) arrives at any moment in between, or late. In every state that can be reached
the invariants must hold; planners that leave a gate out, or go on too early, must be caught by the very same search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan, Step
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_plan import (
    CLIENT,
    SERVER,
    CaObserved,
    CaRequest,
    Leaf,
    plan,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target
from ansible_collections.knowngood.kube.plugins.module_utils._tls.trust_stores import Store
from ansible_collections.knowngood.kube.plugins.module_utils._tls.trusters import Truster, TrustUse

from . import pki

OLD, NEW = "old", "new"
OLD_CA = read_chain(pki.ca("shop-ca").pem).certificates[0]
REQUEST = CaRequest("shop", "ca", ("shop",), generation=2)


@dataclass(frozen=True)
class Graph:
    """Nodes are workloads: each trusts by a store and presents a leaf. An edge: who judges, who is judged.

    ``late``: leaves that nobody knew of when the plan was made.
    """

    stores: tuple[int, ...]
    edges: frozenset[tuple[int, int]]
    clients: frozenset[int] = frozenset()
    late: frozenset[int] = frozenset()

    @property
    def nodes(self) -> range:
        return range(len(self.stores))


@dataclass(frozen=True)
class State:
    """``at`` counts half steps: each step acts, then waits for its gate."""

    at: int
    signer: str
    stores: tuple[frozenset[str], ...]
    trusted: tuple[frozenset[str], ...]
    stored: tuple[str, ...]
    served: tuple[str, ...]


def planned(graph: Graph) -> Plan:
    stores = [Store("ConfigMap", "shop", f"trust-{n}", "ca.crt", f"u{n}") for n in range(max(graph.stores) + 1)]
    trusters = [
        Truster(f"Deployment/n{n}", "shop", f"d{n}", (TrustUse(stores[graph.stores[n]].ref, "c", "volume", "/t"),))
        for n in graph.nodes
    ]
    leaves = [
        Leaf(Target("shop", f"leaf-{n}"), CLIENT if n in graph.clients else SERVER)
        for n in graph.nodes
        if n not in graph.late
    ]
    seen = CaObserved("uid", OLD_CA, "asked for", "PKCS8", "", tuple(stores), tuple(trusters), tuple(leaves))
    return plan(REQUEST, seen)


# -- the model ---------------------------------------------------------------------------------------------------


def _index(step: Step) -> int:
    name = step.params["store"]["name"] if "store" in step.params else step.params["leaf"]["secret"]
    return int(name.rpartition("-")[2])


def acted(step: Step, graph: Graph, state: State) -> State:
    """What the step writes."""
    if step.action in ("tls.ca_trust", "tls.ca_distrust"):
        at, stores = _index(step), list(state.stores)
        stores[at] = stores[at] | {NEW} if step.action == "tls.ca_trust" else stores[at] - {OLD}
        return replace(state, stores=tuple(stores))
    if step.action == "tls.commit":
        return replace(state, signer=NEW)
    if step.action in ("tls.ca_reissue", "tls.ca_unused"):
        which = {_index(step)} if step.action == "tls.ca_reissue" else graph.late
        return replace(state, stored=tuple(state.signer if n in which else s for n, s in enumerate(state.stored)))
    return state


def open_gate(step: Step, graph: Graph, state: State) -> bool:
    """Whether the fact that the step waits for is there."""
    if step.action == "tls.ca_prove_trust":
        return all(state.trusted[n] == state.stores[graph.stores[n]] for n in graph.nodes)
    if step.action == "tls.ca_distrust":
        at = _index(step)
        return all(state.trusted[n] == state.stores[at] for n in graph.nodes if graph.stores[n] == at)
    if step.action == "tls.ca_reissue":
        return state.served[_index(step)] == state.stored[_index(step)]
    if step.action == "tls.ca_unused":
        return all(one == NEW for one in (*state.stored, *state.served))
    return True


def arrivals(graph: Graph, state: State) -> Iterator[State]:
    for n in graph.nodes:
        text = state.stores[graph.stores[n]]
        if state.trusted[n] != text:
            yield replace(state, trusted=(*state.trusted[:n], text, *state.trusted[n + 1 :]))
        if state.served[n] != state.stored[n]:
            yield replace(state, served=(*state.served[:n], state.stored[n], *state.served[n + 1 :]))


def following(steps: tuple[Step, ...], graph: Graph, state: State) -> Iterator[State]:
    yield from arrivals(graph, state)
    number, waiting = divmod(state.at, 2)
    if number == len(steps):
        return
    if not waiting:
        yield replace(acted(steps[number], graph, state), at=state.at + 1)
    elif open_gate(steps[number], graph, state):
        yield replace(state, at=state.at + 1)


def wrong(graph: Graph, state: State) -> str:
    """The invariant that a state breaks, empty where it breaks none."""
    for judge, judged in graph.edges:
        if state.served[judged] not in state.trusted[judge]:
            return f"I1: {judge} does not trust what {judged} serves"
    if any(OLD not in store for store in state.stores) and OLD in (*state.stored, *state.served):
        return "I2: the old CA is distrusted while something of it is in use"
    if state.signer == NEW and any(NEW not in trusted for trusted in state.trusted):
        return "I2: the issuer was switched before everybody trusted the new CA"
    return ""


def search(graph: Graph, made: Plan) -> tuple[str, bool]:
    """Every state that can be reached: the first wrong one, and whether the end can be reached from the beginning."""
    count = len(graph.stores)
    old = frozenset({OLD})
    first = State(0, OLD, (old,) * (max(graph.stores) + 1), (old,) * count, (OLD,) * count, (OLD,) * count)
    known, todo, ended = {first}, [first], False
    while todo:
        state = todo.pop()
        found = wrong(graph, state)
        if found:
            return found, ended
        ended = ended or state.at == 2 * len(made.steps)
        for after in following(made.steps, graph, state):
            if after not in known:
                known.add(after)
                todo.append(after)
    return "", ended


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 3))
    stores = tuple(draw(st.integers(0, 1)) for _number in range(count))
    nodes = st.integers(0, count - 1)
    edges = draw(st.frozensets(st.tuples(nodes, nodes), max_size=6))
    return Graph(stores, edges, draw(st.frozensets(nodes)), draw(st.frozensets(nodes, max_size=1)))


class TestEveryInterleaving:
    @settings(max_examples=40)
    @given(graphs())
    def test_nobody_is_ever_cut_off_and_the_end_is_reached(self, graph: Graph) -> None:
        assert search(graph, planned(graph)) == ("", True)

    @settings(max_examples=40)
    @given(graphs())
    def test_clients_are_issued_first(self, graph: Graph) -> None:
        roles = [s.params["leaf"]["role"] for s in planned(graph).steps if s.action == "tls.ca_reissue"]
        assert roles == sorted(roles)


# -- planners that are wrong -------------------------------------------------------------------------------------


def without(action: str) -> Callable[[Plan], Plan]:
    return lambda made: replace(made, steps=tuple(step for step in made.steps if step.action != action))


def moved(action: str, before: str) -> Callable[[Plan], Plan]:
    """Steps of one action put in front of those of another."""

    def change(made: Plan) -> Plan:
        picked = [step for step in made.steps if step.action == action]
        rest = [step for step in made.steps if step.action != action]
        at = next(number for number, step in enumerate(rest) if step.action == before)
        return replace(made, steps=(*rest[:at], *picked, *rest[at:]))

    return change


MUTANTS = {
    "skips TRUST_PROVEN": without("tls.ca_prove_trust"),
    "skips TRUST_BOTH": without("tls.ca_trust"),
    "switches the issuer before TRUST_PROVEN": moved("tls.commit", "tls.ca_prove_trust"),
    "issues leaves before the issuer is switched, and distrusts": moved("tls.ca_reissue", "tls.commit"),
    "distrusts before leaves are issued anew": moved("tls.ca_distrust", "tls.ca_reissue"),
    "distrusts without looking for what is left": without("tls.ca_unused"),
    "distrusts before it has looked": moved("tls.ca_distrust", "tls.ca_unused"),
}
CHAIN = Graph((0, 1, 0), frozenset({(0, 1), (1, 0), (2, 1)}), frozenset({2}), frozenset({0}))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planner_that_goes_on_too_early_is_caught(name: str) -> None:
    assert search(CHAIN, planned(CHAIN)) == ("", True)
    broken, ended = search(CHAIN, MUTANTS[name](planned(CHAIN)))
    assert broken or not ended  # cut off, or a gate that never opens: it does not come to a false end
    if name != "issues leaves before the issuer is switched, and distrusts":
        assert broken
