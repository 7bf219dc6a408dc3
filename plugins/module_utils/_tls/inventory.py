# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory: every certificate of the cluster, who keeps it, who uses it, what is wrong, and what is really served.

Read in pages. Of a Secret nothing is kept but what is public: its certificates, and whether its key is theirs.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .._cluster.client import Cluster, Object
from .._cluster.kinds import Kind
from .._core.durations import seconds
from .._core.errors import BadInput, Denied, NotFound
from .._core.expressions import Expression
from . import listing, textfile
from .bundles import CA_BUNDLE_KINDS, from_api, from_config
from .consumers import Consumer, Namespace, likely_ports
from .known import Known
from .listing import ALL
from .memory import REBUILT, Memory
from .plan import server_name
from .reading import Which, secrets
from .references import GRANT, REFERRING, references
from .rows import Found, bundle_rows, given_rows, identity_rows, reference_rows
from .secrets import TlsSecret
from .serves import ports_of
from .serves import rows as served_rows
from .sights import TlsPort, see
from .signing import REQUEST, namespace_of, request_row
from .starttls import before_tls
from .views import pages, views

_UNINTERESTING = (
    "helm.sh/release.v1",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
)
_SECRETS = ",".join(f"type!={one}" for one in _UNINTERESTING)
IN_STEP, BEHIND, UNKNOWN = "in_step", "behind", "unknown"
SECRETS, BUNDLES, REFERENCES, REQUESTS = "secrets", "bundles", "references", "requests"
PARTS = (SECRETS, BUNDLES, REFERENCES, REQUESTS)
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Question:
    """What to list. ``namespaces`` empty: all. ``copies``: those that our rotations keep as well.

    ``include``: the parts of the inventory; ``passphrases`` open encrypted keys and stores; ``denied``: fingerprints
    that must not be used; ``textfile``: where Prometheus text goes, ``dest``: where every row goes, both written unless
    ``dry``. ``cache``: the directory of what earlier runs read. ``shown``: which rows are in the answer.
    """

    namespaces: tuple[str, ...] = ()
    selector: str = ""
    expiring_within_s: float | None = None
    probe: bool = False
    copies: bool = False
    query: str = ""
    include: tuple[str, ...] = PARTS
    passphrases: tuple[str, ...] = field(default=(), repr=False)
    denied: tuple[str, ...] = ()
    textfile: str = ""
    dest: str = ""
    cache: str = ""
    shown: str = ALL
    dry: bool = False


def question(params: Mapping[str, Any], *, check_mode: bool = False) -> Question:
    """From the door's options. Raises BadInput."""
    expiring = params.get("expiring_within")
    return Question(
        namespaces=tuple(params["namespaces"]),
        selector=params["selector"],
        expiring_within_s=None if expiring is None else seconds(expiring, "expiring_within"),
        probe=params["probe"],
        copies=params["copies"],
        query=params.get("query") or "",
        include=tuple(params.get("include") or PARTS),
        passphrases=tuple(params.get("passphrases") or ()),
        denied=tuple(params.get("denied") or ()),
        textfile=params.get("textfile") or "",
        dest=params.get("dest") or "",
        cache=params.get("cache") or "",
        shown=params.get("return_rows") or ALL,
        dry=check_mode,
    )


def answer(
    cluster: Cluster, asked: Question, now: dt.datetime, warn: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """The inventory, its identities through the query where there is one; the files that are wanted.

    What cannot be meant (a query that is none, a file that cannot be written) is refused before any reading.
    Raises BadInput, and what the cluster raises.
    """
    query = Expression.of(asked.query, "query", "query") if asked.query else None
    if asked.textfile:
        textfile.must_be_writable(asked.textfile)
    if asked.dest:
        listing.must_be_writable(asked.dest)
    memory = Memory.open(asked.cache, cluster.uid()) if asked.cache else None
    if memory and memory.state == REBUILT:
        warn(f"the cache {memory.path} is not believed ({memory.why}): every Secret is read anew")
    with _no_collector():
        found = collect(cluster, asked, memory)
        rows = described(cluster, found, asked, now)
        written = _files(found, rows, asked, now)
    shown = {**rows, **listing.shown(rows, asked.shown), "totals": listing.totals(rows)}
    if query:
        shown["identities"] = select(rows["identities"], query)
    return {**shown, **written, **_remembered(memory, asked)}


@contextmanager
def _no_collector() -> Iterator[None]:
    """Without the search for circles in memory: there are none in rows, and it takes a quarter of all time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _files(found: Found, rows: dict[str, Any], asked: Question, now: dt.datetime) -> dict[str, Any]:
    """What was written, and whether it changed anything."""
    told = _textfile(found, asked, now)
    if asked.dest:
        told["dest"] = listing.write(asked.dest, rows, dry=asked.dry)
    if told:
        told["changed"] = any(one["changed"] for one in told.values())
    return told


def _remembered(memory: Memory | None, asked: Question) -> dict[str, Any]:
    """What the cache was good for. That it is written is no change: it says nothing that the cluster does not."""
    if memory is None:
        return {}
    if not asked.dry:
        memory.save(_read_whole(asked))
    return {"cache": memory.to_dict()}


def _textfile(found: Found, asked: Question, now: dt.datetime) -> dict[str, Any]:
    if not asked.textfile:
        return {}
    listed = [identity for identity in found.identities if asked.copies or not identity.role]
    content = textfile.text(listed, found.bundles, now)
    changed = textfile.differs(asked.textfile, content)
    if changed and not asked.dry:
        textfile.write(asked.textfile, content)
    series = sum(not line.startswith("#") for line in content.splitlines())
    return {"textfile": {"path": asked.textfile, "series": series, "changed": changed}}


# -- reading -----------------------------------------------------------------------------------------------------


def collect(cluster: Cluster, asked: Question, memory: Memory | None = None) -> Found:
    """Everything that the question is about, Secrets first, page by page."""
    found = Found(read=_read_whole(asked))
    passwords = tuple(text.encode() for text in asked.passphrases)
    for namespace in _namespaces(asked):
        for one in secrets(cluster, Which(namespace, asked.selector, _SECRETS), passwords, memory):
            _add_secret(found, one, asked)
    if BUNDLES in asked.include:
        _bundles(cluster, asked, found)
    if REFERENCES in asked.include:
        _references(cluster, asked, found)
    if REQUESTS in asked.include:
        _gather(cluster, found, REQUEST, None, lambda obj: _add_request(found, obj, asked))
    looked_at = _looked_at(asked, found)
    if looked_at is None or looked_at:
        found.views.update(views(cluster, looked_at or ()))
    found.settle()
    return found


def _read_whole(asked: Question) -> frozenset[str] | None:
    """The namespaces of which every Secret is read; None for all of them."""
    if asked.selector:
        return frozenset()
    return frozenset(asked.namespaces) if asked.namespaces else None


def _namespaces(asked: Question) -> tuple[str | None, ...]:
    return asked.namespaces or (None,)


def _looked_at(asked: Question, found: Found) -> tuple[str, ...] | None:
    """Namespaces in which a consumer can matter; None for all."""
    if not asked.namespaces:
        return None
    if asked.probe:
        return asked.namespaces
    there = {one.namespace for one in found.identities} | {one.namespace for one in found.bundles}
    return tuple(sorted(there & set(asked.namespaces)))


def _add_secret(found: Found, one: Known, asked: Question) -> None:
    found.names.add(("Secret", one.namespace, one.name))
    found.identities += one.identities
    if BUNDLES in asked.include:
        found.bundles += one.bundles


def _bundles(cluster: Cluster, asked: Question, found: Found) -> None:
    for namespace in _namespaces(asked):
        _gather(cluster, found, "ConfigMap", namespace, lambda obj: _add_config(found, obj))
    wanted = set(asked.namespaces)

    def add(obj: Object) -> None:
        found.bundles += [one for one in from_api(obj) if not wanted or one.service[0] in wanted]

    for kind in CA_BUNDLE_KINDS:
        _gather(cluster, found, kind, None, add)
    for service in sorted({one.service for one in found.bundles if one.service[1]}):
        try:
            obj = cluster.find("Service", service[1], service[0])
        except Denied as error:
            found.unread.append(_unread("Service", service[0], error))
            break
        found.selectors[service] = dict(((obj or {}).get("spec") or {}).get("selector") or {})


def _add_config(found: Found, obj: Object) -> None:
    found.names.add(("ConfigMap", obj["metadata"]["namespace"], obj["metadata"]["name"]))
    found.bundles += from_config(obj)


def _references(cluster: Cluster, asked: Question, found: Found) -> None:
    referring: list[Object] = []
    for kind in REFERRING:
        for namespace in _namespaces(asked):
            _gather(cluster, found, kind, namespace, referring.append)
    across = any(obj["kind"] != "Ingress" for obj in referring)
    grants: list[Object] = []
    known = not across or _gather(cluster, found, GRANT, None, grants.append)
    for obj in referring:
        found.references += references(obj, grants if known else None)


def _add_request(found: Found, obj: Object, asked: Question) -> None:
    if not asked.namespaces or namespace_of(obj) in asked.namespaces:
        found.requests.append(obj)


def _gather(
    cluster: Cluster, found: Found, kind: Kind | str, namespace: str | None, add: Callable[[Object], None]
) -> bool:
    """Every object of a kind that may not be there, or not be read; the latter is said. Was it read?"""
    try:
        for obj in pages(cluster, kind, namespace):
            add(obj)
    except NotFound:
        return True  # the API is not installed
    except Denied as error:
        found.unread.append(_unread(kind if isinstance(kind, str) else kind.kind, namespace or "", error))
        return False
    return True


def _unread(kind: str, namespace: str, error: Denied) -> dict[str, str]:
    return {"kind": kind, "namespace": namespace, "why": error.why or error.what}


# -- telling -----------------------------------------------------------------------------------------------------


def described(cluster: Cluster, found: Found, asked: Question, now: dt.datetime) -> dict[str, Any]:
    """The rows of every part."""
    served = _served(cluster, found, now) if asked.probe else []
    shown = identity_rows(found, served, asked.denied, now, probed=asked.probe)
    rows = [row for row in shown if (asked.copies or not row["role"]) and _ends(row["not_after"], asked, now)]
    trusted = [row for row in bundle_rows(found, now) if _any_ends(row["certificates"], asked, now)]
    return {
        "identities": rows if SECRETS in asked.include else [],
        "bundles": trusted,
        "references": reference_rows(found),
        "requests": [request_row(obj, now) for obj in found.requests],
        "without_secret": given_rows(found),
        "served": served,
        "unread": found.unread,
    }


def _ends(not_after: str, asked: Question, now: dt.datetime) -> bool:
    if asked.expiring_within_s is None:
        return True
    if not not_after:
        return False
    return (dt.datetime.fromisoformat(not_after) - now).total_seconds() <= asked.expiring_within_s


def _any_ends(certificates: Iterable[Mapping[str, Any]], asked: Question, now: dt.datetime) -> bool:
    if asked.expiring_within_s is None:
        return True
    return any(_ends(one["not_after"], asked, now) for one in certificates)


def _served(cluster: Cluster, found: Found, now: dt.datetime) -> list[dict[str, Any]]:
    """Every port of every namespace that should be asked, once."""
    stored, every = found.stored(), found.used()

    def one(name: str) -> list[dict[str, Any]]:
        view, used = found.views[name], every.get(name, {})
        return served_rows(view, used, see(cluster, name, ports_of(view, used), share=True), stored, now)

    # Several namespaces at a time: a port that does not answer holds up its own only.
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return [row for rows in pool.map(one, sorted(found.views)) for row in rows]


def served_by(
    cluster: Cluster, view: Namespace, secret: TlsSecret, consumers: Iterable[Consumer]
) -> list[dict[str, Any]]:
    """What the users' ready pods serve on the ports that may be meant for it, each port asked once.

    Ports that do not speak TLS are left out, unless the port's name or number says that it should.
    """
    using = {consumer.ref: {use.container for use in consumer.uses} for consumer in consumers}
    pods = [pod for pod in view.pods_of(using) if pod.ready and not pod.leaving]
    ports = [
        TlsPort(pod.name, port, before_tls(pod.ports, port))
        for pod in pods
        for port in likely_ports(pod, using[pod.workload])
    ]
    name = server_name(secret.certificate, None)
    sights = see(cluster, view.name, ports, server_name=name, share=True)
    return [sight.to_dict() for sight in sights if sight.served.fingerprint]


def drift(stored: str, served: Sequence[Mapping[str, Any]]) -> str:
    """``in_step``: every port that was seen serves what is stored; ``behind``: one does not; ``unknown``: none seen."""
    if not served:
        return UNKNOWN
    return IN_STEP if all(row["fingerprint"] == stored for row in served) else BEHIND


def select(rows: list[dict[str, Any]], query: Expression) -> list[Any]:
    """The rows through a JMESPath expression. Raises BadInput where it fails on them or gives no list."""
    found = query.search(rows)
    if not isinstance(found, list):
        raise BadInput(
            "query does not give a list", why=f"it gives {type(found).__name__}", next="for example [?days_left < `30`]"
        )
    return found
