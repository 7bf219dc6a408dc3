# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where CAs are trusted: ``ca.crt`` and trust stores in Secrets, ConfigMaps, and the caBundle fields of the API.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._cluster.client import Object
from .._cluster.kinds import KINDS, Kind
from .certificates import Certificate, Chain
from .identities import Trust
from .lint import ERROR, WARNING, Lint, lint_ca, locked
from .owner import Owner, owner_of
from .stores import NOTHING, Content, content

VALIDATING = Kind(
    "ValidatingWebhookConfiguration",
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    False,
)
MUTATING = Kind(
    "MutatingWebhookConfiguration", "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", False
)
API_SERVICE = Kind("APIService", "apiregistration.k8s.io", "v1", "apiservices", False)
CRD = KINDS["CustomResourceDefinition"]
CA_BUNDLE_KINDS = (VALIDATING, MUTATING, API_SERVICE, CRD)
_BUNDLE_KEYS = (
    "ca.crt",
    "ca-bundle.crt",
    "ca.pem",
    "ca-bundle.pem",
    "root-cert.pem",
    "trust-bundle.pem",
    "service-ca.crt",
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """One place with certificates to be trusted.

    ``entry``: the webhook's name, of those. ``service``: namespace and name of the Service that an API object calls,
    and ``url`` where it calls no Service. ``private``: a private key is in it.
    """

    kind: str
    namespace: str
    name: str
    data_key: str
    owner: Owner
    content: Content = NOTHING
    entry: str = ""
    service: tuple[str, str] = ("", "")
    url: str = ""
    immutable: bool = False
    private: bool = False
    error: str = ""

    @property
    def chain(self) -> Chain:
        return self.content.chain

    @property
    def calls(self) -> bool:
        """Is it one of the API's own, which says whom it calls?"""
        return self.kind not in ("Secret", "ConfigMap")


# -- reading -----------------------------------------------------------------------------------------------------


def from_secret(obj: Object, trust: Iterable[Trust]) -> list[Bundle]:
    meta = obj["metadata"]
    return [
        Bundle(
            "Secret",
            meta["namespace"],
            meta["name"],
            one.data_key,
            owner_of(obj),
            one.content,
            immutable=bool(obj.get("immutable")),
        )
        for one in trust
    ]


def from_config(obj: Object) -> list[Bundle]:
    """Values of a ConfigMap with certificates or, what nobody should do, with a private key."""
    meta = obj["metadata"]
    found = []
    for name, value in sorted(_config_values(obj)):
        there = content(value)
        private = there.key is not None
        expected = name in _BUNDLE_KEYS and not value.strip()
        if there.certificates or private or expected:
            found.append(
                Bundle(
                    "ConfigMap",
                    meta["namespace"],
                    meta["name"],
                    name,
                    owner_of(obj),
                    there,
                    immutable=bool(obj.get("immutable")),
                    private=private,
                )
            )
    return found


def _config_values(obj: Object) -> Iterator[tuple[str, bytes]]:
    for name, text in (obj.get("data") or {}).items():
        yield name, text.encode("utf-8", "surrogatepass")
    for name, text in (obj.get("binaryData") or {}).items():
        try:
            yield name, base64.b64decode(text)
        except (binascii.Error, ValueError):
            continue


def from_api(obj: Object) -> list[Bundle]:
    """The caBundles of a webhook configuration, an APIService or a CRD that converts by a webhook."""
    if obj["kind"] in (VALIDATING.kind, MUTATING.kind):
        hooks = obj.get("webhooks") or []
        return [_called(obj, hook.get("name", ""), hook.get("clientConfig") or {}) for hook in hooks]
    if obj["kind"] == API_SERVICE.kind:
        spec = obj.get("spec") or {}
        if not spec.get("service") or spec.get("insecureSkipTLSVerify"):
            return []
        return [_called(obj, "", spec)]
    conversion = (obj.get("spec") or {}).get("conversion") or {}
    config = (conversion.get("webhook") or {}).get("clientConfig")
    return [_called(obj, "", config)] if config else []


def _called(obj: Object, entry: str, config: Mapping[str, Any]) -> Bundle:
    service = config.get("service") or {}
    error, there = "", NOTHING
    text = config.get("caBundle") or ""
    if text:
        try:
            there = content(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            error = "caBundle is not base64"
        if not error and not there.certificates:
            error = "caBundle holds no certificate"
    return Bundle(
        obj["kind"],
        "",
        obj["metadata"]["name"],
        "caBundle",
        owner_of(obj),
        there,
        entry,
        (str(service.get("namespace", "")), str(service.get("name", ""))),
        str(config.get("url", "")),
        error=error,
    )


# -- judging -----------------------------------------------------------------------------------------------------


def lint_bundle(bundle: Bundle, now: dt.datetime, served: Sequence[Certificate] = ()) -> list[Lint]:
    """What is wrong with it. ``served``: leaves that whom it calls has in its Secrets, as far as they are known."""
    if bundle.error:
        return [Lint("unreadable", ERROR, bundle.error, "RFC 7468", "replace it")]
    if bundle.content.locked:
        return [locked(bundle.content.error, bundle.content.error)]
    found = []
    if bundle.private:
        what = f"{bundle.data_key} holds a private key, which everybody who may read ConfigMaps can read"
        cure = "put it into a Secret, and replace the key: it has to count as known"
        found.append(Lint("key_in_configmap", ERROR, what, "Kubernetes: good practices for Secrets", cure))
    if not bundle.content.verified:
        what = f"a {bundle.content.format} store is recognised and not opened"
        found.append(
            Lint("unverified", WARNING, what, "RFC 7292", "keep it as PEM or PKCS#12, or judge it with keytool")
        )
    found += [
        Lint("broken_block", ERROR, problem, "RFC 7468 3", "replace the block: many readers refuse the whole bundle")
        for problem in bundle.chain.problems
    ]
    if not bundle.chain.certificates and bundle.content.verified and not bundle.chain.problems and not bundle.private:
        found.append(_empty(bundle))
    if not bundle.private:
        for certificate in bundle.chain.certificates:
            found += lint_ca(certificate, now)
    found += _uncovered(bundle, served)
    return found


def _empty(bundle: Bundle) -> Lint:
    if bundle.calls:
        what = "there is no caBundle: the API server trusts its system's CAs instead"
        return Lint("empty_bundle", WARNING, what, "Kubernetes: admission webhooks", "set caBundle to the CA")
    return Lint("empty_bundle", ERROR, f"{bundle.data_key} is empty: nothing is trusted", "RFC 5280 6.1.1", "fill it")


def _uncovered(bundle: Bundle, served: Sequence[Certificate]) -> list[Lint]:
    anchors = bundle.chain.certificates
    if not bundle.calls or not anchors or not served:
        return []
    if any(leaf == anchor or leaf.signed_by(anchor) for leaf in served for anchor in anchors):
        return []
    names = ", ".join(sorted({leaf.subject for leaf in served}))
    what = f"no certificate of its Service is issued by what it trusts ({names})"
    return [
        Lint("untrusted_leaf", WARNING, what, "RFC 5280 6.1", "append the CA that issues the Service's certificate")
    ]
