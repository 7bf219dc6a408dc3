# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who would start a workload again while its data is exchanged, and what makes each of them let go.

Looked at are autoscalers (HPA, KEDA), GitOps tools (Argo CD, Flux), the claim retention policy of StatefulSets, what a
user's pause recipes name, and disruption budgets. Reads and dry runs only: a dry run shows before anything is changed
whether the right to freeze it is there and whether the server takes the values.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .._core.application import Application, Workload
from .._core.errors import BadInput, Denied, KnownGoodError, NotFound, Rejected
from .._core.plan import Json
from .amend import Ref
from .budgets import budgets_of
from .client import Cluster, Object
from .gitops import ARGO, Keeper, argo_manages, argo_patch, keepers_of
from .holding import Change, changes_of, freeze_patch, frozen_by, frozen_by_another, not_taken
from .kinds import Kind, named
from .owners import controller_of
from .recipes import WAIT_S, Recipe
from .stopping import STOPPABLE

KEDA_GROUP, SCALED_OBJECT = "keda.sh", "ScaledObject"
PAUSED, PAUSED_REPLICAS = "autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"
_PROTECT, _GITOPS, _OPERATOR, _SCALER = range(4)
_ARGO_HOME = "argocd"


@dataclass(frozen=True, slots=True)
class Reconciler:
    """One object that is frozen before workloads are stopped and put back after they were started.

    ``of``: the workloads (``Kind/name``) it would start again. ``stands_for``: a workload of a foreign kind whose pods
    go and come with it. ``rank``: lower ones are frozen first.
    """

    ref: Ref
    of: tuple[str, ...]
    changes: tuple[Change, ...]
    rank: int
    stands_for: str = ""
    wait_for: str = ""
    timeout_s: int = WAIT_S

    @property
    def title(self) -> str:
        return named(self.ref.kind, self.ref.name, self.ref.namespace)

    @property
    def claims_only(self) -> bool:
        """It is the workload itself, whose claims are protected: that keeps nobody from starting it."""
        return self.rank == _PROTECT

    @property
    def by_recipe(self) -> bool:
        return self.rank == _OPERATOR


@dataclass(frozen=True, slots=True)
class Found:
    """``notes``: what a person should know, with the workload it is about (empty: all of them)."""

    reconcilers: tuple[Reconciler, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Look:
    """What one look gathers."""

    cluster: Cluster
    app: Application
    workloads: dict[str, Object]
    groups: Mapping[str, Sequence[str]]
    found: dict[tuple[Ref, int], Reconciler] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    kinds: dict[tuple[str, str], Kind | None] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.app.spec.namespace

    def served(self, group: str, kind: str) -> Kind | None:
        """The kind in the first version of the group that has it, by discovery; asked for once."""
        if (group, kind) not in self.kinds:
            versions = (self.cluster.kind_of(version, kind) for version in self.groups.get(group, ()))
            self.kinds[group, kind] = next((found for found in versions if found is not None), None)
        return self.kinds[group, kind]

    def add(self, obj: Object, kind: Kind, patch: Mapping[str, Any], of: Iterable[str], rank: int) -> Reconciler:
        """One more; the same object found for several workloads is one."""
        ref = _ref(obj, kind)
        before = self.found.get((ref, rank))
        refs = tuple(sorted({*of, *(before.of if before else ())}))
        self.found[ref, rank] = Reconciler(ref, refs, changes_of(obj, patch), rank)
        return self.found[ref, rank]


def find(cluster: Cluster, app: Application, recipes: Sequence[Recipe] = ()) -> Found:
    """All that can be seen from the workloads that mount claims.

    Raises BadInput for a recipe that cannot work and for a reconciler that another operation holds, and one Denied that
    names everything that may not be looked at or frozen.
    """
    reaching = {ref for volume in app.volumes for ref in volume.mounted_by}
    mounting = [w for w in app.workloads if (w.mounts or w.ref in reaching) and w.kind in STOPPABLE]
    objects = {w.ref: cluster.find(w.kind, w.name, w.namespace) for w in mounting}
    workloads = {ref: obj for ref, obj in objects.items() if obj is not None}
    look = _Look(cluster, app, workloads, groups(cluster))
    _retention(look)
    recipe_objects = _recipes(look, recipes)
    _gitops(look, recipe_objects)
    _autoscalers(look)
    _scaled_objects(look)
    _budgets(look)
    for reconciler in look.found.values():
        _try(look, reconciler)
    if look.denied:
        raise Denied(
            "what would start the application again cannot be frozen",
            where=app.spec.target,
            why="; ".join(sorted(set(look.denied))),
            next="grant what is missing (docs/restore.md, docs/rbac/restore.yaml), then run the same task again",
        )
    ordered = sorted(look.found.values(), key=lambda r: (r.rank, r.title))
    return Found(tuple(r for r in ordered if r.changes or r.stands_for), tuple(look.notes))


def groups(cluster: Cluster) -> dict[str, list[str]]:
    """The versions that the server has, by API group, the preferred one first. One request."""
    found = {}
    for group in cluster.call("GET", "/apis", where="API groups").get("groups") or []:
        preferred = (group.get("preferredVersion") or {}).get("groupVersion", "")
        versions = [v["groupVersion"] for v in group.get("versions") or []]
        found[str(group["name"])] = sorted(versions, key=lambda v: v != preferred)
    return found


def _ref(obj: Object, kind: Kind) -> Ref:
    meta = obj["metadata"]
    return Ref(kind.kind, meta["name"], meta.get("namespace") or "", meta["uid"], kind)


# -- claims that would go with their set -------------------------------------------------------------------------


def _retention(look: _Look) -> None:
    """A StatefulSet that deletes its claims keeps them while it is stopped, whoever scales it down."""
    for ref, obj in look.workloads.items():
        if obj["kind"] == "StatefulSet":
            policy = obj["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
            retain = {key: "Retain" for key, value in sorted(policy.items()) if value == "Delete"}
            if retain:
                patch = {"spec": {"persistentVolumeClaimRetentionPolicy": retain}}
                look.add(obj, Kind("StatefulSet", "apps", "v1", "statefulsets"), patch, (ref,), _PROTECT)


# -- autoscalers -------------------------------------------------------------------------------------------------


def _autoscalers(look: _Look) -> None:
    """An HPA leaves a workload at zero alone, unless it may scale to zero itself: then it is kept from scaling up."""
    for hpa in look.cluster.list("HorizontalPodAutoscaler", look.namespace):
        target, owner = hpa["spec"]["scaleTargetRef"], controller_of(hpa)
        ref, name = f"{target['kind']}/{target['name']}", hpa["metadata"]["name"]
        if ref not in look.workloads or (owner and owner["kind"] == SCALED_OBJECT):
            continue
        smallest = hpa["spec"].get("minReplicas", 1)
        if smallest == 0:
            patch = {"spec": {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}}
            kind = Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers")
            look.add(hpa, kind, patch, (ref,), _SCALER)
            continue
        bounds = f"between {smallest} and {hpa['spec'].get('maxReplicas')}"
        text = f"HorizontalPodAutoscaler/{name} leaves {ref} alone while it is at zero, then scales it {bounds} again"
        look.notes.append((ref, text))


def _scaled_objects(look: _Look) -> None:
    """KEDA is told to leave the number of replicas as it is.

    Not by ``paused-replicas: "0"``: with that KEDA itself would scale down again what is started before it is put back,
    on the way there as on the way back. One that a person has set is taken out meanwhile, as it counts more.
    """
    kind = look.served(KEDA_GROUP, SCALED_OBJECT)
    if kind is None:
        return
    try:
        items = look.cluster.list(kind, look.namespace)
    except Denied as error:
        look.denied.append(_refused(error))
        return
    patch = {"metadata": {"annotations": {PAUSED: "true", PAUSED_REPLICAS: None}}}
    for item in items:
        target = item["spec"].get("scaleTargetRef") or {}
        ref = f"{target.get('kind') or 'Deployment'}/{target.get('name')}"
        if ref in look.workloads:
            look.add(item, kind, patch, (ref,), _SCALER)


# -- GitOps ------------------------------------------------------------------------------------------------------


def _gitops(look: _Look, others: Mapping[str, tuple[Object, tuple[str, ...]]]) -> None:
    """``others``: objects of recipes and the workloads they are for: who keeps those would take the pause back."""
    kept = [(obj, (ref,)) for ref, obj in look.workloads.items()] + list(others.values())
    for obj, of in kept:
        for keeper in keepers_of(obj):
            kind = look.served(keeper.group, keeper.kind)
            if kind is None:
                if keeper.sure:
                    look.notes.extend((ref, _elsewhere(keeper)) for ref in of)
            elif keeper.kind == ARGO:
                _argo(look, kind, keeper, obj, of)
            else:
                _flux(look, kind, keeper, of)


def _elsewhere(keeper: Keeper) -> str:
    return f"{keeper.told} is not in this cluster: pause it where it is, or it may start the application too early"


def _unclear(keeper: Keeper, applications: Sequence[Object]) -> str:
    places = ", ".join(sorted(str(one["metadata"]["namespace"]) for one in applications))
    return (
        f"{keeper.told} is in {places}, and no status says which one manages it: pause the right one, or it may start "
        "the application too early"
    )


def _argo(look: _Look, kind: Kind, keeper: Keeper, obj: Object, of: tuple[str, ...]) -> None:
    try:
        applications = _applications(look, kind, keeper)
    except Denied as error:
        if keeper.sure:
            look.denied.append(_refused(error))
        else:
            look.notes.extend((ref, f"whether {keeper.told} keeps it may not be looked at") for ref in of)
        return
    managing = [found for found in applications if argo_manages(found, obj)]
    # The only one of that name is meant, also where its status says nothing yet; a label alone proves nothing.
    if not managing and keeper.sure and len(applications) == 1:
        managing = applications
    if not managing and keeper.sure:
        text = _unclear(keeper, applications) if applications else _elsewhere(keeper)
        look.notes.extend((ref, text) for ref in of)
    for found in managing:
        look.add(found, kind, argo_patch(), of, _GITOPS)
        owner = controller_of(found)
        if owner:
            text = f"{keeper.told} is made by {owner['kind']}/{owner['name']}, which may take the pause back"
            look.notes.extend((ref, text) for ref in of)


def _applications(look: _Look, kind: Kind, keeper: Keeper) -> list[Object]:
    """Those of that name; in their usual namespace only where not all namespaces may be looked at."""
    if keeper.namespace:
        one = look.cluster.find(kind, keeper.name, keeper.namespace)
        return [one] if one else []
    try:
        return look.cluster.list(kind, field=f"metadata.name={keeper.name}")
    except Denied:
        one = look.cluster.find(kind, keeper.name, _ARGO_HOME)
        return [one] if one else []


def _flux(look: _Look, kind: Kind, keeper: Keeper, of: tuple[str, ...]) -> None:
    try:
        found = look.cluster.find(kind, keeper.name, keeper.namespace or look.namespace)
    except Denied as error:
        look.denied.append(_refused(error))
        return
    if found is None:
        look.notes.extend((ref, _elsewhere(keeper)) for ref in of)
    else:
        look.add(found, kind, {"spec": {"suspend": True}}, of, _GITOPS)


# -- what the user knows -----------------------------------------------------------------------------------------


def _recipes(look: _Look, recipes: Sequence[Recipe]) -> dict[str, tuple[Object, tuple[str, ...]]]:
    found = {}
    known = {w.ref: w for w in look.app.workloads}
    for recipe in recipes:
        strange = sorted(set(recipe.workloads) - set(known))
        if strange:
            why = f"the application has: {', '.join(sorted(known))}"
            raise BadInput(f"pause: no workload {', '.join(strange)}", where=look.app.spec.target, why=why)
        namespace = recipe.namespace or look.namespace
        kind, obj = _recipe_object(look, recipe, namespace)
        if obj is None or kind is None:
            continue
        meta = obj["metadata"]
        meant = [w.ref for w in known.values() if w.uid == meta["uid"] and w.kind not in STOPPABLE]
        of = tuple(sorted({*(recipe.workloads or known), *meant}))
        one = replace(
            look.add(obj, kind, recipe.patch, of, _OPERATOR),
            stands_for=meant[0] if meant else "",
            wait_for=recipe.wait_for,
            timeout_s=recipe.timeout_s,
        )
        if not one.changes:
            look.notes.append(("", f"{one.title} is paused already and is left so"))
        look.found[one.ref, _OPERATOR] = one
        found[one.title] = (obj, of)
    return found


def _recipe_object(look: _Look, recipe: Recipe, namespace: str) -> tuple[Kind | None, Object | None]:
    where = f"pause: {named(recipe.kind, recipe.name, namespace)}"
    kind = look.cluster.kind_of(recipe.api_version, recipe.kind)
    if kind is None:
        raise BadInput(f"the server has no kind {recipe.kind} in {recipe.api_version}", where=where)
    try:
        obj = look.cluster.get(kind, recipe.name, namespace if kind.namespaced else None)
    except NotFound as error:
        raise BadInput("there is no object to pause", where=where, why=error.why) from error
    except Denied as error:
        look.denied.append(_refused(error))
        return None, None
    return kind, {**obj, "kind": kind.kind}


# -- disruption budgets ------------------------------------------------------------------------------------------


def _budgets(look: _Look) -> None:
    """Reported and not touched: scaling down is no eviction, they do not stand in its way."""
    try:
        budgets = look.cluster.list("PodDisruptionBudget", look.namespace)
    except Denied:
        look.notes.append(("", "whether there are PodDisruptionBudgets may not be looked at"))
        return
    for ref, obj in look.workloads.items():
        look.notes.extend(
            (ref, f"PodDisruptionBudget/{n} is about {ref}: not touched") for n in budgets_of(obj, budgets)
        )


# -- before anything is changed ----------------------------------------------------------------------------------


def _try(look: _Look, reconciler: Reconciler) -> None:
    """Would the server let us, and does it take all the values?"""
    ref = reconciler.ref
    if not reconciler.changes:
        return
    try:
        obj = look.cluster.get(ref.api, ref.name, ref.namespace)
        by = frozen_by(obj)
        if by:
            raise frozen_by_another(reconciler.title, by, look.app.spec.target)
        patch = freeze_patch(obj, reconciler.changes, "dry-run") or {}
        after = look.cluster.patch(ref.api, ref.name, ref.namespace, patch, uid=ref.uid, dry_run=True)
    except Denied as error:
        look.denied.append(_refused(error))
        return
    except (Rejected, BadInput) as error:
        if _no_dry_run(error):
            return
        raise BadInput(f"{reconciler.title} cannot be frozen", where=look.app.spec.target, why=error.why) from error
    dropped = not_taken(after, reconciler.changes)
    if dropped:
        raise BadInput(
            f"{reconciler.title} cannot be frozen",
            where=look.app.spec.target,
            why=f"the server does not take {', '.join(dropped)}",
            next=f"kubectl explain {ref.kind.lower()}.spec shows what it knows",
        )


def _no_dry_run(error: KnownGoodError) -> bool:
    """A webhook that cannot tell what it would do is no refusal."""
    return "dry run" in error.why or "dryRun" in error.why


def _refused(error: Denied) -> str:
    return f"{error.where.partition(' at http')[0]}: {error.why}"


def chosen(found: Found, stopped: Sequence[Workload]) -> tuple[Reconciler, ...]:
    """Those that have to do with the workloads that are stopped."""
    refs = {workload.ref for workload in stopped}
    return tuple(r for r in found.reconcilers if refs & set(r.of) and (not r.stands_for or r.stands_for in refs))


def notes(found: Found, stopped: Sequence[Workload]) -> list[str]:
    """What a person should know, about the workloads that are stopped; each once."""
    refs = {"", *(workload.ref for workload in stopped)}
    return list(dict.fromkeys(text for ref, text in found.notes if ref in refs))


def params_of(reconciler: Reconciler) -> dict[str, Json]:
    """The part of a step's parameters that says which object, and which values."""
    ref, resource = reconciler.ref, reconciler.ref.resource
    return {
        "kind": ref.kind,
        "name": ref.name,
        "namespace": ref.namespace,
        "uid": ref.uid,
        "resource": asdict(resource) if resource else None,
        "changes": [change.to_dict() for change in reconciler.changes],
        "of": [] if reconciler.claims_only else list(reconciler.of),
        "wait_for": reconciler.wait_for,
        "timeout_s": reconciler.timeout_s,
    }
