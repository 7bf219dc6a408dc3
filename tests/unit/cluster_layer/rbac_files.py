# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.unit.cluster_layer.rbac_files`` writes ``docs/rbac`` from the roles that preflight asks about."""

from __future__ import annotations

from pathlib import Path

import yaml

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import CLUSTER_ISSUER, GRANTS, manifests

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "rbac"
HEAD = """\
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the user "knowngood" needs for the playbook knowngood.kube.{playbook}, and nothing more.
# Replace the application's namespace ("app-namespace"), the state namespace ("knowngood") and the user, then apply:
#   sed 's/app-namespace/shop/' {playbook}.yaml | kubectl apply -f -
"""


MORE = """\
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the user "knowngood" needs for the CA of a ClusterIssuer, beside rotate_ca.yaml in the namespaces it signs for.
# Replace the namespace in which cert-manager keeps it ("cert-manager") and the user where they are others, then apply:
#   kubectl apply -f {playbook}.yaml
"""


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, short ones stand on one line; equal parts are written out again."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def expected(playbook: str) -> str:
    """The text of one file."""
    style = {"Dumper": _Indented, "sort_keys": False, "width": 110, "default_flow_style": None}
    head, where = (MORE, {"app_namespace": "cert-manager"}) if playbook == CLUSTER_ISSUER else (HEAD, {})
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests(playbook, **where)}
    return head.format(playbook=playbook) + "---\n" + yaml.dump(listed, **style)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for playbook in GRANTS:
        (FOLDER / f"{playbook}.yaml").write_text(expected(playbook))


if __name__ == "__main__":
    main()
