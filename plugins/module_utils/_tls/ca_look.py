# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking before a CA is rotated: the CA, who trusts it and where, what it issued. What can be refused is refused here.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._cluster.client import Cluster, Object
from .._cluster.kinds import named
from .._core.errors import BadInput, Denied, KnownGoodError, NotFound
from .._core.plan import Json
from .authority import Authority, authority
from .ca_cross import refuse_unbridgeable
from .ca_issue import generation_of, is_root
from .ca_issuer import CLUSTER_ISSUER, behind
from .ca_plan import SERVER, CaObserved, CaRequest, Leaf, due, leaf_request
from .certificates import Certificate
from .certmanager import CERTIFICATE
from .emergency import denied_keys
from .handshake import HTTP
from .mutual import Mutual
from .observe import Observer
from .owner import CERT_MANAGER
from .plan import Observed, Target
from .rollout import obstacle
from .secrets import CRT, KEY, OF, PREVIOUS, ROLE, TlsSecret, must_be_ours_to_write, read_secret, role_of
from .services import tls_port
from .trust_stores import Store, listed, refuse_unwritable, sealed, stores_in
from .trusters import Truster, scene
from .workloads import RESTARTABLE

RELOAD_WORDS = ("signal", "command", "container")
_SHOWN = 10
_ROOM = 2048
"""What another CA's certificate may take in a store before it is made, in bytes."""


def look_at_ca(cluster: Cluster, request: CaRequest, now: dt.datetime) -> CaObserved:
    """Raises NotFound, BadInput, Denied: each says what is wrong with the CA, a store, a consumer or a leaf."""
    secret = ca_secret(cluster, request)
    why = due(secret.certificate, request, now)
    if not why:
        left = archives(cluster, request) if request.destroy_old_key and not request.issuer else ()
        return CaObserved(secret.uid, secret.certificate, archives=left)
    kept = behind(cluster, request.issuer_kind, request.namespace, request.issuer) if request.issuer else None
    if kept is None:
        _refuse_kept(secret)
        must_be_ours_to_write(secret)
    key_format = secret.key_format()
    ca = authority(secret.obj, now, secret.trust.certificates)
    above = _parent(cluster, ca, request, now)
    if request.bridge:
        _refuse_unbridgeable(ca, request)
    _refuse_given_up(cluster, ca.certificate, request)
    _refuse_short_overlap(ca.certificate, request, now)
    objects = listed(cluster, request.namespaces, webhooks=request.webhooks)
    stores = _stores(objects, ca.certificate, request)
    leaves, observed = _observed(cluster, _leaves(objects, ca, request), request, now)
    trusters = _trusters(cluster, stores, request)
    _refuse_unrenewable(cluster, trusters, request)
    _refuse_unknown_reloads(request, trusters, observed)
    elsewhere = _elsewhere(cluster, request)
    waived = [f"{name}: waived, nothing is known of it" for name in request.waive]
    keystores = [f"{ref}: a key store, not looked into" for ref in sealed(objects)]
    return CaObserved(
        uid=secret.uid,
        certificate=secret.certificate,
        due=why,
        key_format=key_format,
        rotated_for=secret.rotated_for,
        stores=stores,
        trusters=trusters,
        leaves=leaves,
        mutual=tuple(_mutual(cluster, given, request) for given in request.mutual),
        unknown=(*waived, *elsewhere, *keystores, *_out_of_reach(objects, ca.certificate, request)),
        parent=above,
        issuer_of=None if kept is None else kept.to_dict(request.generation or generation_of(ca.certificate) + 1),
        observed=observed if request.compromised else (),
    )


def ca_secret(cluster: Cluster, request: CaRequest) -> TlsSecret:
    found = cluster.find("Secret", request.secret, request.namespace)
    if found is None:
        raise NotFound(f"no CA Secret {request.ref}", where=cluster.server, next="check ca_secret")
    if role_of(found):
        raise BadInput("this Secret is a copy that a rotation made", where=f"Secret {request.ref}")
    return read_secret(found)


def archives(cluster: Cluster, request: CaRequest) -> tuple[tuple[str, str], ...]:
    """Old pairs of this CA that its rotations kept: names and uids, sorted."""
    found = cluster.list("Secret", request.namespace, selector=f"{ROLE}={PREVIOUS}")
    mine = [obj["metadata"] for obj in found if (obj["metadata"].get("annotations") or {}).get(OF) == request.secret]
    return tuple(sorted((meta["name"], meta["uid"]) for meta in mine))


def _refuse_unbridgeable(ca: Authority, request: CaRequest) -> None:
    if request.issuer or not is_root(ca.certificate):
        raise BadInput(
            "there is no place for a bridge",
            where=ca.where,
            why="cert-manager writes what is sent with its leaves" if request.issuer else "the root above it stays",
            next="leave bridge out",
        )
    refuse_unbridgeable(ca.certificate, ca.where)


def _parent(cluster: Cluster, ca: Authority, request: CaRequest, now: dt.datetime) -> Mapping[str, Json] | None:
    """The CA that has to sign the next generation; None of a root, and where cert-manager sees to it itself."""
    if is_root(ca.certificate):
        return None
    signer = ca.certificate.issuer
    if request.issuer:
        return None
    if not request.parent:
        raise BadInput(
            "the CA is not a root",
            where=ca.where,
            why=f"it was signed by {signer}: those who trust that one need no new trust",
            next="name the Secret of the CA that signed it in parent_secret",
        )
    namespace, _slash, name = request.parent.partition("/")
    found = cluster.find("Secret", name, namespace)
    if found is None:
        raise NotFound(f"no CA Secret {request.parent}", where=cluster.server, next="check parent_secret")
    above = authority(found, now)
    if not ca.certificate.signed_by(above.certificate):
        raise BadInput(
            "the CA was not signed by the one in parent_secret",
            where=f"{ca.where}, {above.where}",
            why=f"its issuer is {signer}, that is {above.certificate.subject}",
        )
    if above.certificate.spki in denied_keys(cluster, request.state_namespace):
        raise BadInput(
            "the key of the CA in parent_secret is on the deny-list",
            where=above.where,
            why="what it signs is worth nothing",
            next="rotate that one first, with compromised: true",
        )
    return {"namespace": namespace, "name": name, "fingerprint": above.certificate.fingerprint}


def _refuse_given_up(cluster: Cluster, old: Certificate, request: CaRequest) -> None:
    """A CA that somebody has given up is not trusted for the time of an overlap."""
    if not request.compromised and old.spki in denied_keys(cluster, request.state_namespace):
        raise BadInput(
            "the CA's key is on the deny-list: an overlap would go on trusting it",
            where=f"CA Secret {request.ref}",
            next="rotate it with compromised: true",
        )


def _refuse_short_overlap(old: Certificate, request: CaRequest, now: dt.datetime) -> None:
    """The old CA has to live as long as both are trusted."""
    if request.compromised:
        return
    left = (old.not_after - now).total_seconds()
    if left < request.overlap_s:
        raise BadInput(
            "the old CA ends before the overlap is over",
            where=f"CA Secret {request.ref}",
            why=f"{left / 3600:.1f} h are left of it, overlap is {request.overlap_s / 3600:.1f} h",
            next="shorten overlap; leaves of a CA that has ended are worth nothing",
        )


def _stores(objects: Sequence[Object], old: Certificate, request: CaRequest) -> tuple[Store, ...]:
    there = stores_in(objects, old.spki, kept=bool(request.issuer))
    found = [store for store in there if store.where not in request.waive]
    if not found and is_root(old):
        raise BadInput(
            "nobody is seen to trust this CA",
            where=f"namespaces {', '.join(request.namespaces)}",
            why="no ConfigMap, Secret or caBundle there holds it",
            next="name the namespaces of those who trust it; a store in an image or outside cannot be rotated here",
        )
    by_where = {named(o["kind"], o["metadata"]["name"], o["metadata"].get("namespace")): o for o in objects}
    for store in found:
        others = sum(other.where == store.where for other in found)
        refuse_unwritable(store, by_where[store.where], _ROOM * others)
    return tuple(found)


def _refuse_kept(secret: TlsSecret) -> None:
    if secret.owner.kind == CERT_MANAGER:
        raise BadInput(
            "cert-manager keeps this CA",
            where=f"CA Secret {secret.ref}",
            why=f"owner: {secret.owner.name}",
            next="name the Issuer that signs with it in ca_issuer, or the ClusterIssuer in ca_cluster_issuer",
        )


def _out_of_reach(objects: Sequence[Object], old: Certificate, request: CaRequest) -> list[str]:
    """Where cert-manager itself puts the CA: it changes with the certificate beside it, at once."""
    if not request.issuer:
        return []
    own = named("Secret", request.secret, request.namespace)
    mine = {store.ref for store in stores_in(objects, old.spki, kept=True)}
    left = [store for store in stores_in(objects, old.spki) if store.ref not in mine and store.where != own]
    return [f"{store.ref}: cert-manager puts the new CA there with the new leaf, without overlap" for store in left]


def _elsewhere(cluster: Cluster, request: CaRequest) -> list[str]:
    """A ClusterIssuer signs for every namespace: what is not known of those that were not named.

    Raises BadInput where one of them has a Certificate of it: it would be cut off.
    """
    if request.issuer_kind != CLUSTER_ISSUER:
        return []
    named_here = ", ".join(request.namespaces)
    try:
        found = cluster.list(CERTIFICATE)
    except Denied:
        return [f"Certificates outside of {named_here}: not allowed to look whether {request.issuer} signs for them"]
    left = sorted(
        named(CERTIFICATE, one["metadata"]["name"], one["metadata"]["namespace"])
        for one in found
        if one["metadata"]["namespace"] not in request.namespaces and _asks(one, request.issuer)
    )
    cut_off = [where for where in left if where not in request.waive]
    if cut_off:
        raise BadInput(
            "the ClusterIssuer signs for namespaces that were not named",
            where=", ".join(cut_off[:_SHOWN]) + (f" and {len(cut_off) - _SHOWN} more" if cut_off[_SHOWN:] else ""),
            why="their certificates would not be renewed, and those who trust them not looked at",
            next="name these namespaces, or the Certificates in waive",
        )
    return []


def _asks(certificate: Object, issuer: str) -> bool:
    """Is it to be signed by that ClusterIssuer?"""
    wanted = certificate["spec"].get("issuerRef") or {}
    return (wanted.get("kind"), wanted.get("name")) == (CLUSTER_ISSUER, issuer)


# -- leaves ------------------------------------------------------------------------------------------------------


def issued_by(objects: Iterable[Object], ca: Certificate, between: Collection[str] = ()) -> tuple[TlsSecret, ...]:
    """TLS Secrets whose chain holds a certificate that this CA signed, the CA's own and our copies left out.

    ``between``: keys of CAs that do not count, as they are bridges.
    """
    found = []
    for obj in objects:
        if obj["kind"] != "Secret" or not (obj.get("data") or {}).get(CRT) or role_of(obj):
            continue
        try:
            secret = read_secret(obj)
        except KnownGoodError:  # what cannot be read is nobody's leaf; the inventory names it
            continue
        chain = secret.chain.certificates
        if any(c.issuer == ca.subject and c.spki not in {ca.spki, *between} and c.signed_by(ca) for c in chain):
            found.append(secret)
    return tuple(sorted(found, key=lambda secret: secret.ref))


def _leaves(objects: Sequence[Object], ca: Authority, request: CaRequest) -> tuple[Leaf, ...]:
    """What the CA issued, by its signature; declared ones with what was declared."""
    known = {certificate.spki for certificate in ca.path}
    declared = {leaf.target.ref: leaf for leaf in request.leaves}
    found: dict[str, Leaf] = {}
    for secret in issued_by(objects, ca.certificate):
        where = f"Secret {secret.ref}"
        if secret.certificate.ca or len([c for c in secret.chain.certificates if c.spki not in known]) > 1:
            raise BadInput(
                "there is another CA between this one and its leaves",
                where=where,
                next="that is not supported: give the CA below a new certificate and the leaves theirs first",
            )
        if where in request.waive:
            continue
        if not secret.obj["data"].get(KEY):
            raise BadInput("a certificate of this CA is kept without its key", where=where, next="name it in waive")
        target = Target(secret.namespace, secret.name)
        found[secret.ref] = declared.get(secret.ref, Leaf(target, SERVER))
    missing = sorted(set(declared) - set(found))
    if missing:
        raise BadInput(
            "a leaf that was named was not issued by this CA",
            where=", ".join(missing),
            next="check leaves and namespaces",
        )
    return tuple(found.values())


def _observed(
    cluster: Cluster, leaves: Sequence[Leaf], request: CaRequest, now: dt.datetime
) -> tuple[tuple[Leaf, ...], tuple[Observed, ...]]:
    """Each leaf, with how its servers reload, and as its rotation will see it. Raises what would refuse it then."""
    reloads, found, seen = _reloads(request), [], []
    observer = Observer(cluster, leaf_request(request, tuple(leaf.target for leaf in leaves)), now)
    for leaf in leaves:
        users = [f"{leaf.target.namespace}/{c.ref}" for c in observer.consumers(leaf.target)]
        ways = [reloads.get(name) for name in users]
        # One way for all of its users, or none: a restart does for those that would have loaded it as well.
        told = ways[0] if ways and all(way == ways[0] for way in ways) else None
        target = replace(leaf.target, reload=told)
        observer.request = leaf_request(request, (target,))
        found.append(replace(leaf, target=target))
        seen.append(observer.look(target))
    return tuple(found), tuple(seen)


# -- those who trust ---------------------------------------------------------------------------------------------


def _trusters(cluster: Cluster, stores: Sequence[Store], request: CaRequest) -> tuple[Truster, ...]:
    found: list[Truster] = []
    for namespace in sorted({store.namespace for store in stores if store.namespace}):
        found += scene(cluster, namespace).trusters(stores)
    known = {truster.where for truster in found}
    unknown = sorted(name for name in request.rereads if _full(name, request) not in known)
    if unknown:
        raise BadInput(
            f"rereads names who uses no trust store: {', '.join(unknown)}",
            why=f"those that do: {', '.join(sorted(known)) or 'none'}",
        )
    # A process that goes on holds sessions which were begun with the old CA.
    rereads = set() if request.compromised else {_full(name, request) for name in request.rereads}
    reloads = _reloads(request)
    return tuple(replace(t, rereads=t.where in rereads, reload=reloads.get(t.where)) for t in found)


def _reloads(request: CaRequest) -> dict[str, Mapping[str, Json]]:
    """How workloads are told to load files, by ``namespace/Kind/name``; nobody is where a CA is compromised."""
    if request.compromised:
        return {}
    return {
        _full(str(one["workload"]), request): {word: one[word] for word in RELOAD_WORDS if one.get(word)}
        for one in request.reloads
    }


def _refuse_unknown_reloads(request: CaRequest, trusters: Sequence[Truster], leaves: Sequence[Observed]) -> None:
    known = {truster.where for truster in trusters}
    known |= {f"{leaf.target.namespace}/{consumer.ref}" for leaf in leaves for consumer in leaf.consumers}
    unknown = sorted(set(_reloads(request)) - known)
    if unknown:
        raise BadInput(
            f"reloads names who uses no trust store and no leaf: {', '.join(unknown)}",
            why=f"those that do: {', '.join(sorted(known)) or 'none'}",
        )


def _full(name: str, request: CaRequest) -> str:
    """``namespace/Kind/name`` of ``Kind/name`` in the namespace that is meant by default."""
    return name if name.count("/") == 2 else f"{request.home}/{name}"


def _refuse_unrenewable(cluster: Cluster, trusters: Sequence[Truster], request: CaRequest) -> None:
    """Those that load another trust only with a new process, and that no controller would give one."""
    waived = {_full(name, request) for name in request.waive}
    for truster in trusters:
        if not truster.restarts or truster.where in waived:
            continue
        if truster.kind in RESTARTABLE:
            why = obstacle(cluster.get(truster.kind, truster.name, truster.namespace))
        elif truster.kind in ("CronJob",):
            why = ""
        else:
            why = f"no controller of ours to restart a {truster.kind}"
        if why:
            raise BadInput(
                f"{truster.ref} loads its trust when it starts and cannot be restarted",
                where=f"namespace {truster.namespace}",
                why=why,
                next="clear that, name it in rereads where it reads the file anew, or in waive",
            )


def _mutual(cluster: Cluster, given: Mapping[str, Any], request: CaRequest) -> Mutual:
    namespace = given.get("namespace") or request.home
    found = cluster.find("Service", given["service"], namespace)
    where = f"mutual_tls: {namespace}/{given['service']}"
    if found is None:
        raise NotFound(f"no Service {namespace}/{given['service']}", where=where)
    if not request.probe_image:
        raise BadInput("mutual_tls needs probe_image", where=where, next="name an image with python3")
    client = cluster.find("Secret", given["client_secret"], namespace)
    if client is None:
        raise NotFound(f"no Secret {namespace}/{given['client_secret']}", where=where)
    read_secret(client)
    port = tls_port(found, given.get("port"))
    name = given.get("server_name") or f"{given['service']}.{namespace}.svc"
    return Mutual(
        namespace,
        port.service,
        port.address,
        port.port,
        name,
        given["client_secret"],
        given.get("protocol") or HTTP,
        given.get("user") or "",
        given.get("database") or "postgres",
    )
