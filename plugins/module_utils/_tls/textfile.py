# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory as Prometheus text, for the textfile collector of the node exporter.

Metric and label names are those of the x509-certificate-exporter, so that its rules and dashboards work on both.
Nothing in it changes with time alone, ``x509_cert_expired`` aside: the file is written when something is different.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .._core.errors import BadInput
from .bundles import Bundle
from .certificates import Certificate
from .files import replace
from .identities import Identity

_FIELDS = {"C": "2.5.4.6", "ST": "2.5.4.8", "L": "2.5.4.7", "O": "2.5.4.10", "OU": "2.5.4.11", "CN": "2.5.4.3"}
_PLACES = (
    "secret_namespace",
    "secret_name",
    "secret_key",
    "configmap_namespace",
    "configmap_name",
    "configmap_key",
    "cabundle_resource_kind",
    "cabundle_resource_name",
    "cabundle_entry",
)
_NONE = ("filename", "filepath", "embedded_kind", "embedded_key")
_SOURCES = {"Secret": "kube-secret", "ConfigMap": "kube-configmap"}
_CABUNDLE = "kube-cabundle"
_HELP = {
    "x509_cert_not_before": "Indicates the certificate's not before timestamp",
    "x509_cert_not_after": "Indicates the certificate's not after timestamp",
    "x509_cert_expired": "Indicates if the certificate is expired",
    "x509_cert_error": "Indicates whether the certificate could not be read",
    "x509_source_up": "Indicates that the source was read",
    "x509_source_bundles": "How many objects with certificates the source has",
}
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where certificates are: the labels that say so, and what is in there."""

    source: str
    labels: Labels
    certificates: tuple[Certificate, ...]
    broken: bool

    @property
    def object(self) -> tuple[str, ...]:
        return (self.source, *(v for k, v in self.labels.items() if k not in ("secret_key", "configmap_key")))


def text(identities: Iterable[Identity], bundles: Iterable[Bundle], now: dt.datetime) -> str:
    """The whole file, sorted. Holds no secret: certificates are public."""
    places = [*map(_of_identity, identities), *map(_of_bundle, bundles)]
    series: dict[str, dict[str, int]] = {name: {} for name in _HELP}
    seen = Counter(
        _labels(place, certificate, "") for place in places for certificate in place.certificates
    )  # two certificates with the same labels are told apart as the exporter does
    for place in places:
        for certificate in place.certificates:
            labels = _labels(place, certificate, "")
            if seen[labels] > 1:
                labels = _labels(place, certificate, certificate.fingerprint.removeprefix("sha256:")[:8])
            series["x509_cert_not_before"][labels] = int(certificate.not_before.timestamp())
            series["x509_cert_not_after"][labels] = int(certificate.not_after.timestamp())
            series["x509_cert_expired"][labels] = int(now > certificate.not_after)
            series["x509_cert_error"][labels] = 0
        if place.broken:
            series["x509_cert_error"][_labels(place, None, "")] = 1
    objects = Counter(source for source, *_rest in {place.object for place in places})
    for source in sorted({*_SOURCES.values(), _CABUNDLE}):
        labels = _shown({"source_kind": source, "source_name": "knowngood"})
        series["x509_source_up"][labels] = 1
        series["x509_source_bundles"][labels] = objects[source]
    return "".join(_family(name, found) for name, found in series.items())


def _family(name: str, found: dict[str, int]) -> str:
    head = f"# HELP {name} {_HELP[name]}\n# TYPE {name} gauge\n"
    return head + "".join(f"{name}{labels} {value}\n" for labels, value in sorted(found.items()))


def _of_identity(identity: Identity) -> Place:
    labels = {
        "secret_namespace": identity.namespace,
        "secret_name": identity.secret,
        "secret_key": identity.data_key,
    }
    return Place(
        _SOURCES["Secret"], labels, identity.chain.certificates, bool(identity.error or identity.chain.problems)
    )


def _of_bundle(bundle: Bundle) -> Place:
    broken = bool(bundle.error or bundle.content.locked or bundle.chain.problems)
    if bundle.calls:
        labels = {
            "cabundle_resource_kind": bundle.kind,
            "cabundle_resource_name": bundle.name,
            "cabundle_entry": bundle.entry,
        }
        return Place(_CABUNDLE, labels, bundle.chain.certificates, broken)
    word = bundle.kind.lower()
    labels = {f"{word}_namespace": bundle.namespace, f"{word}_name": bundle.name, f"{word}_key": bundle.data_key}
    return Place(_SOURCES[bundle.kind], labels, bundle.chain.certificates, broken)


def _labels(place: Place, certificate: Certificate | None, discriminator: str) -> str:
    names = dict(_names_of(certificate))
    given = {label: place.labels.get(label, "") for label in _PLACES}
    return _shown({**names, **dict.fromkeys(_NONE, ""), **given, "discriminator": discriminator})


def _names_of(certificate: Certificate | None) -> Iterator[tuple[str, str]]:
    from cryptography.x509 import ObjectIdentifier

    cert = certificate.x509() if certificate else None
    yield "serial_number", str(cert.serial_number) if cert else ""
    for word in ("subject", "issuer"):
        name = getattr(cert, word) if cert else None
        for short, oid in _FIELDS.items():
            found = name.get_attributes_for_oid(ObjectIdentifier(oid)) if name else []
            yield f"{word}_{short}", str(found[0].value) if found else ""


def _shown(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in sorted(labels.items())) + "}"


# -- the file ----------------------------------------------------------------------------------------------------


def must_be_writable(path: str) -> None:
    """Raises BadInput: found before anything is read. The collector takes files that end in ``.prom`` only."""
    target = Path(path).expanduser()
    if target.suffix != ".prom":
        raise BadInput("the collector reads files that end in .prom only", where=f"textfile: {path}")
    if not target.parent.is_dir():
        raise BadInput("the directory of the textfile does not exist", where=str(target.parent), next="make it first")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise BadInput("the textfile cannot be written", where=str(target))


def differs(path: str, content: str) -> bool:
    """Is the file not there, or another than that?"""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8") != content
    except (OSError, UnicodeDecodeError):
        return True


def write(path: str, content: str) -> None:
    """At once or not at all: beside it, then renamed over it, mode 0644. Raises BadInput when that fails."""
    target = Path(path).expanduser()
    try:
        replace(target, content.encode(), 0o644)
    except OSError as error:
        raise BadInput("the textfile cannot be written", where=str(target), why=str(error.strerror or error)) from error
