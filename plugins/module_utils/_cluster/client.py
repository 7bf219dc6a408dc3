# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API server as the collection sees it: JSON objects, preconditions, paged lists, watches.

One adapter over the HTTP pool of the official client. Typed models and discovery are not used: they cost most of a
second a call and every object here is a plain dictionary.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from .._core.errors import BadInput, Conflict, Denied, KnownGoodError, NotFound, Rejected, Unreachable
from .._core.redact import redact_text
from .auth import AuthOptions, configuration
from .kinds import KINDS, Kind, describe, named
from .retries import pause

Object = dict[str, Any]
Objects = list[Object]
Headers = list[tuple[str, str]]
PAGE = 500
MERGE = "application/merge-patch+json"
# The part of our patience that the server has for a write.
_SERVER_S = 0.9
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
"""Asks for a list's metadata alone: of Secrets, a tenth of the bytes and no secret."""


class Gone(KnownGoodError):
    """HTTP 410: a watch or a page has to be started anew."""

    code = "gone"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``, and the object."""

    type: str
    object: Object


ANY_VERSION = ""
"""For what is ours alone and changes by itself all the time, such as the status of a pod: its uid says enough."""


class Cluster:
    """One API server and one identity. Safe to use from several threads."""

    def __init__(
        self, config: Any, *, user: str | None = None, groups: tuple[str, ...] = (), timeout_s: float = 30.0
    ) -> None:
        from kubernetes.client.rest import RESTClientObject

        self.config = config
        self.server: str = config.host.rstrip("/")
        self._pool = RESTClientObject(config).pool_manager
        self._as = [("Impersonate-User", user)] if user else []
        self._as += [("Impersonate-Group", group) for group in groups]
        self._timeout = timeout_s
        self._uid = ""

    # -- objects ------------------------------------------------------------------------------------------------

    def get(self, kind: str | Kind, name: str, namespace: str | None = None) -> Object:
        """The object. Raises NotFound."""
        return self.call("GET", self._kind(kind).path(namespace, name), where=named(_word(kind), name, namespace))

    def find(self, kind: str | Kind, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None where it does not exist."""
        try:
            return self.get(kind, name, namespace)
        except NotFound:
            return None

    def list(self, kind: str | Kind, namespace: str | None = None, *, selector: str = "", field: str = "") -> Objects:
        """All objects of a kind (of one namespace, or of all), read in pages of 500."""
        return self.list_at(kind, namespace, selector=selector, field=field)[0]

    def list_at(
        self, kind: str | Kind, namespace: str | None = None, *, selector: str = "", field: str = ""
    ) -> tuple[Objects, str]:
        """As :meth:`list`, with the resourceVersion of the list: where a watch can start."""
        pages = list(self._pages(kind, namespace, selector, field))
        return [item for page, _version in pages for item in page], pages[-1][1]

    def glance(self, kind: str | Kind, namespace: str | None = None) -> Objects:
        """All objects as the server has them in memory: almost always what :meth:`list` would say, but not for sure.

        :meth:`list` makes sure that nothing is newer, and asked for twice within a tenth of a second the server lets it
        wait for the rest of that, where none of the objects changes. For second looks.
        """
        where = named(self._kind(kind).plural, "*", namespace)
        page = self.call("GET", self._kind(kind).path(namespace), query={"resourceVersion": "0"}, where=where)
        return list(page.get("items") or [])

    def each(
        self, kind: str | Kind, namespace: str | None = None, *, selector: str = "", field: str = ""
    ) -> Iterator[Object]:
        """As :meth:`list`, one object after the other; a page is let go when the next one is read."""
        for page, _version in self._pages(kind, namespace, selector, field):
            while page:
                yield page.pop()

    def each_metadata(
        self, kind: str | Kind, namespace: str | None = None, *, selector: str = "", field: str = ""
    ) -> Iterator[Object]:
        """As :meth:`each`, but of each object its metadata only; nothing else is sent."""
        for page, _version in self._pages(kind, namespace, selector, field, METADATA):
            for item in page:
                yield item["metadata"]

    def _pages(
        self, kind: str | Kind, namespace: str | None, selector: str, field: str, accept: str = ""
    ) -> Iterator[tuple[Objects, str]]:
        """Pages of 500, each with the resourceVersion of the list."""
        resource = self._kind(kind)
        query = _query(labelSelector=selector, fieldSelector=field, limit=PAGE)
        where = named(resource.plural, "*", namespace)
        while True:
            page = self.call("GET", resource.path(namespace), query=query, where=where, accept=accept)
            items: Objects = page.get("items") or []
            for item in items:
                item.setdefault("kind", resource.kind)
                item.setdefault("apiVersion", resource.api_version)
            meta = page.get("metadata") or {}
            yield items, str(meta.get("resourceVersion", ""))
            if not meta.get("continue"):
                return
            query = {**query, "continue": meta["continue"]}

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Creates the object. Raises Conflict when one of that name exists."""
        kind, namespace = self._kind_of_object(obj), obj["metadata"].get("namespace")
        query = _query(dryRun="All" if dry_run else "", fieldManager="knowngood")
        return self.call("POST", kind.path(namespace), query=query, body=obj, where=describe(obj))

    def update(self, obj: Object) -> Object:
        """Replaces the object. It must carry resourceVersion; a newer one in the cluster raises Conflict."""
        meta = obj["metadata"]
        if not meta.get("resourceVersion"):
            raise ValueError("an update needs metadata.resourceVersion")
        path = self._kind_of_object(obj).path(meta.get("namespace"), meta["name"])
        return self.call("PUT", path, query=_query(fieldManager="knowngood"), body=obj, where=describe(obj))

    def patch(
        self,
        kind: str | Kind,
        name: str,
        namespace: str | None,
        body: Object,
        *,
        uid: str,
        resource_version: str = "",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """A merge patch with preconditions: the object must still be the one with this uid (and resourceVersion).

        Raises Conflict when it is not.
        """
        meta: Object = {**body.get("metadata", {}), "uid": uid}
        if resource_version:
            meta["resourceVersion"] = resource_version
        query = _query(dryRun="All" if dry_run else "", fieldManager="knowngood")
        path = self._kind(kind).path(namespace, name, subresource)
        where = named(_word(kind), name, namespace)
        return self.call("PATCH", path, query=query, body={**body, "metadata": meta}, content=MERGE, where=where)

    def delete(
        self,
        kind: str | Kind,
        name: str,
        namespace: str | None,
        *,
        uid: str,
        resource_version: str,
        grace_s: int | None = None,
        propagation: str = "Background",
    ) -> None:
        """Deletes the object with this uid and resourceVersion (or :data:`ANY_VERSION`). One that is gone is fine."""
        preconditions = {"uid": uid}
        if resource_version != ANY_VERSION:
            preconditions["resourceVersion"] = resource_version
        body: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": propagation,
        }
        if grace_s is not None:
            body["gracePeriodSeconds"] = grace_s
        try:
            path, where = self._kind(kind).path(namespace, name), named(_word(kind), name, namespace)
            self.call("DELETE", path, body=body, where=where)
        except NotFound:
            return

    def watch(
        self,
        kind: str | Kind,
        namespace: str | None = None,
        *,
        selector: str = "",
        field: str = "",
        resource_version: str = "",
        timeout_s: float = 60.0,
    ) -> Iterator[Event]:
        """Events from that resourceVersion on, until the time is up or the server ends it. Raises Gone (410)."""
        query = _query(
            labelSelector=selector,
            fieldSelector=field,
            resourceVersion=resource_version,
            watch="true",
            allowWatchBookmarks="true",
            timeoutSeconds=max(1, int(timeout_s + 0.999)),
        )
        resource = self._kind(kind)
        broken: tuple[type[Exception], ...] = (*self._transport_errors(), json.JSONDecodeError)
        response = self._ask("GET", resource.path(namespace), query, None, "", timeout_s + 5.0, stream=True)
        try:
            if response.status >= 400:
                raise self._error(response.status, response.read(), f"watch {resource.plural}")
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    code = int(event["object"].get("code", 0))
                    raise self._error(code, json.dumps(event["object"]).encode(), f"watch {resource.plural}")
                yield Event(event["type"], event["object"])
        except broken:
            return  # the stream broke, in the middle of an event perhaps, or idled out: the caller lists again
        finally:
            response.release_conn()
            response.close()

    # -- about the server ---------------------------------------------------------------------------------------

    def kind_of(self, api_version: str, kind: str) -> Kind | None:
        """The kind behind an owner reference, by discovery where it is not one of ours. None: no such on the server."""
        known = KINDS.get(kind)
        if known and known.api_version == api_version:
            return known
        return self._discover(api_version).get(kind)

    def serves(self, kind: str | Kind) -> bool:
        """Does the server have this kind (is its CRD installed)?"""
        resource = self._kind(kind)
        return resource.kind in self._discover(resource.api_version)

    def _discover(self, api_version: str) -> dict[str, Kind]:
        group, version = api_version.split("/") if "/" in api_version else ("", api_version)
        path = f"/apis/{api_version}" if group else f"/api/{version}"
        try:
            found = self.call("GET", path, where=f"API group {api_version}")
        except NotFound:
            return {}
        return {
            item["kind"]: Kind(item["kind"], group, version, item["name"], bool(item["namespaced"]))
            for item in found.get("resources", [])
            if "/" not in item["name"]
        }

    def uid(self) -> str:
        """The cluster's identity: the uid of the namespace kube-system."""
        if not self._uid:
            self._uid = str(self.get("Namespace", "kube-system")["metadata"]["uid"])
        return self._uid

    def version(self) -> Object:
        """``/version``: gitVersion and friends."""
        return self.call("GET", "/version", where="version")

    def whoami(self) -> str:
        """The user name that the server sees."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        review = self.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body, where="whoami")
        return str(review["status"]["userInfo"].get("username", ""))

    def server_time(self) -> Any:
        """The server's clock (whole seconds, aware datetime), from the Date header; None where it sends none."""
        response = self._send("GET", "/version", {}, None, "", self._timeout)
        header = response.headers.get("Date")
        return parsedate_to_datetime(header) if header else None

    def can_i(
        self,
        verb: str,
        resource: str,
        group: str = "",
        namespace: str | None = None,
        *,
        subresource: str = "",
        name: str = "",
    ) -> bool:
        """May this identity do that? (SelfSubjectAccessReview; not a write.)"""
        attributes = _query(
            verb=verb, resource=resource, group=group, namespace=namespace or "", subresource=subresource, name=name
        )
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = self.call("POST", path, body=body, where="access review")
        return bool(review["status"].get("allowed"))

    # -- the wire -----------------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content: str = "application/json",
        where: str = "",
        accept: str = "",
    ) -> Object:
        """One request, its JSON answer. Every refusal becomes one of our errors.

        A server that is late with a write gives it up before we do: what was given up does not happen afterwards.
        """
        limit = {} if method == "GET" else {"timeout": f"{_SERVER_S * self._timeout:g}s"}
        response = self._ask(method, path, {**(query or {}), **limit}, body, content, self._timeout, accept=accept)
        if response.status >= 400:
            raise self._error(response.status, response.data, where or path)
        return json.loads(response.data) if response.data else {}

    def text(self, path: str, query: Mapping[str, Any] | None = None, *, where: str = "") -> str:
        """The answer to a GET as text (logs)."""
        response = self._ask("GET", path, query or {}, None, "", self._timeout)
        if response.status >= 400:
            raise self._error(response.status, response.data, where or path)
        return str(response.data.decode("utf-8", "replace"))

    def headers(self) -> Headers:
        """The request headers that carry the identity (a name may come twice). Secret."""
        headers = [("Accept", "application/json"), ("User-Agent", "knowngood.kube")]
        for setting in self.config.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers.append((setting["key"], setting["value"]))
        return headers + self._as

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Any,
        content: str,
        timeout_s: float,
        *,
        stream: bool = False,
        accept: str = "",
    ) -> Any:
        """The answer; the request is sent again where that is safe. Raises Unreachable."""
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                response = self._send(method, path, query, body, content, timeout_s, stream=stream, accept=accept)
            except Unreachable:
                wait_s = pause(method, None, {}, tries, time.monotonic() - began)
                if wait_s is None:
                    raise
            else:
                wait_s = pause(method, response.status, response.headers, tries, time.monotonic() - began)
                if wait_s is None:
                    return response
                response.close()
            time.sleep(wait_s)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Any,
        content: str,
        timeout_s: float,
        *,
        stream: bool = False,
        accept: str = "",
    ) -> Any:
        from urllib3 import HTTPHeaderDict

        headers = HTTPHeaderDict(self.headers())
        if accept:
            headers["Accept"] = accept
        data = None
        if body is not None:
            headers["Content-Type"] = content
            data = json.dumps(body).encode()
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            return self._pool.request(
                method, url, body=data, headers=headers, timeout=timeout_s, retries=False, preload_content=not stream
            )
        except self._transport_errors() as error:
            raise Unreachable(
                f"the API server {self.server} cannot be reached",
                why=redact_text(_root(error)),
                next="check host, proxy and network: kubectl cluster-info with the same kubeconfig",
            ) from error

    @staticmethod
    def _transport_errors() -> tuple[type[Exception], ...]:
        from urllib3.exceptions import HTTPError

        return (HTTPError, OSError)

    def _error(self, status: int, data: bytes, where: str) -> KnownGoodError:
        try:
            answer = json.loads(data)
            why, reason = str(answer.get("message", "")), str(answer.get("reason", ""))
        except (ValueError, AttributeError):
            why, reason = data[:300].decode("utf-8", "replace"), ""
        why = redact_text(why) or f"HTTP {status}"
        where = f"{where} at {self.server}"
        if status == 401:
            hint = "renew the token or the client certificate of the kubeconfig"
            return Denied("the API server does not accept these credentials", where=where, why=why, next=hint)
        if status == 403:
            hint = "the minimal roles are in the docs; knowngood.kube.preflight names what is missing"
            return Denied("not allowed", where=where, why=why, next=hint)
        if status == 404:
            return NotFound("not found", where=where, why=why)
        if status == 409:
            what = "it exists already" if reason == "AlreadyExists" else "somebody else changed it"
            return Conflict(what, where=where, why=why, next="run the same task again")
        if status == 410:
            return Gone("the resource version is too old", where=where, why=why)
        if status == 422:
            return Rejected("the API server refused the object", where=where, why=why)
        if status == 400:
            return BadInput("the API server did not understand the request", where=where, why=why)
        return Unreachable(f"the API server answered {status}", where=where, why=why, next="run the same task again")

    def _kind(self, kind: str | Kind) -> Kind:
        return kind if isinstance(kind, Kind) else KINDS[kind]

    def _kind_of_object(self, obj: Object) -> Kind:
        known = KINDS.get(obj["kind"])
        if known and known.api_version == obj["apiVersion"]:
            return known
        found = self.kind_of(obj["apiVersion"], obj["kind"])
        if found is None:
            raise NotFound(f"the server has no kind {obj['kind']} in {obj['apiVersion']}", where=self.server)
        return found


def connect(auth: AuthOptions) -> Cluster:
    """A client for these options. Nothing is sent yet."""
    return Cluster(configuration(auth), user=auth.impersonate_user, groups=auth.impersonate_groups)


def owned_by(operation_id: str, **more: str) -> dict[str, str]:
    """The labels that every object of ours carries."""
    labels = {"app.kubernetes.io/managed-by": "knowngood", "knowngood.io/operation": operation_id}
    return {**labels, **{f"knowngood.io/{key}": value for key, value in more.items()}}


def _word(kind: str | Kind) -> str:
    return kind if isinstance(kind, str) else kind.kind


def _query(**items: Any) -> dict[str, Any]:
    return {key: value for key, value in items.items() if value not in ("", None)}


def _root(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return str(reason if reason is not None else error)


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(65536, decode_content=True):
        rest += chunk
        *whole, rest = rest.split(b"\n")
        yield from (line for line in whole if line.strip())
