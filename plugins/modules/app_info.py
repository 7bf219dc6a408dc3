#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_info
short_description: Shows what an application consists of
description:
  - Resolves an application from its entry in C(knowngood_apps) to the objects of the cluster. Workloads up to the top
    of their owners, pods, the image digests that really run, claims and the volumes behind them, and the Secrets that
    containers read.
  - Says who else has a hand on a workload (autoscaler, GitOps tool, operator), as far as the objects themselves tell.
  - Makes one request per kind of object, whatever the size of the application.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  strict:
    description:
      - Whether a workload or claim that O(app) names and that is not there is an error. Otherwise it is a note in
        RV(app.notes).
    type: bool
    default: true
extends_documentation_fragment:
  - knowngood.kube.application
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.attributes.info
"""

EXAMPLES = r"""
- name: What does the shop consist of?
  knowngood.kube.app_info:
    app:
      name: shop
      namespace: shop
  register: shop

- name: Only the database
  knowngood.kube.app_info:
    app:
      name: shop
      namespace: shop
      workloads: [StatefulSet/db]
"""

RETURN = r"""
app:
  description: The application as the cluster shows it. Lists are sorted by name.
  returned: success
  type: dict
  contains:
    spec:
      description: The entry that was given, with defaults.
      type: dict
    cluster_uid:
      description: Identity of the cluster (uid of the namespace kube-system).
      type: str
      sample: 3f0f0b6e-7d3c-4b0a-9a53-0a8c5f5d9a11
    workloads:
      description: Controllers at the top of their owners, and bare pods.
      type: list
      elements: dict
      contains:
        kind:
          description: Kind.
          type: str
          sample: StatefulSet
        name:
          description: Name.
          type: str
          sample: db
        namespace:
          description: Namespace.
          type: str
          sample: shop
        uid:
          description: Its identity.
          type: str
          sample: 9e8f2f8e-43bd-4b1c-8a3a-0b9d1e9e2f10
        api_version:
          description: API version.
          type: str
          sample: apps/v1
        resource_version:
          description: Version of the object when it was read.
          type: str
          sample: "4711"
        replicas:
          description: Pods wanted now. Null where the kind has no such number.
          type: int
          sample: 1
        resting_replicas:
          description: Pods it goes back to. Differs from RV(app.workloads[].replicas) while a quarantine holds it down.
          type: int
          sample: 1
        selector:
          description: Labels that single out its pods.
          type: dict
          sample: {app: db}
        containers:
          description: Its containers, init containers included.
          type: list
          elements: dict
          contains:
            name:
              description: Name.
              type: str
              sample: postgres
            image:
              description: The image as it is asked for.
              type: str
              sample: docker.io/library/postgres:17
            digest:
              description:
                - Digest of the image that its pods run; without pods the one that the reference pins. Empty while it
                  is not known, and where pods run different ones.
              type: str
              sample: sha256:9f2c0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a69788766554433
            init:
              description: Whether it is an init container that ends before the others start.
              type: bool
              sample: false
            sidecar:
              description: Whether it is an init container that runs on beside the others.
              type: bool
              sample: false
        mounts:
          description: How its containers reach claims.
          type: list
          elements: dict
          contains:
            claim:
              description: The claim.
              type: str
              sample: data-db-0
            container:
              description: The container.
              type: str
              sample: postgres
            path:
              description: Path of the mount (or of the block device) in the container.
              type: str
              sample: /var/lib/postgresql
            read_only:
              description: Whether it can only be read.
              type: bool
              sample: false
            init:
              description: Whether an init container mounts it.
              type: bool
              sample: false
            sub_path:
              description: The directory of the volume that is mounted, empty for all of it.
              type: str
              sample: ""
            sidecar:
              description: Whether a sidecar mounts it.
              type: bool
              sample: false
            device:
              description: Whether it is reached as a raw block device, at that path.
              type: bool
              sample: false
        secrets:
          description: How its containers reach Secrets.
          type: list
          elements: dict
          contains:
            secret:
              description: The Secret.
              type: str
              sample: shop-tls
            container:
              description: The container.
              type: str
              sample: nginx
            delivery:
              description:
                - V(volume) (plain or projected; the kubelet brings changes), V(sub_path) or V(env) (changes arrive with
                  a restart only).
              type: str
              sample: volume
            path:
              description: Path of the mount.
              type: str
              sample: /etc/tls
        labels:
          description: Its labels.
          type: dict
          sample: {app: db}
        quarantine:
          description: The operation that holds it in quarantine, empty when it is free.
          type: str
          sample: ""
        scaled_by:
          description: The autoscaler that sets its replicas.
          type: str
          sample: ""
        managed_by:
          description: The GitOps tool, operator or other owner that may undo a change to it.
          type: str
          sample: Helm release shop/shop
        hands:
          description:
            - Everybody who has a hand on it, as the objects tell. HorizontalPodAutoscaler and KEDA ScaledObject by what
              they scale, Argo CD, Flux and Helm by the marks that they leave, an operator by the owner reference.
            - What an organisation does beside these leaves no trace and is not seen.
          type: list
          elements: dict
          contains:
            role:
              description: V(autoscaler), V(gitops), V(operator) or V(release).
              type: str
              sample: gitops
            kind:
              description: Kind of the object.
              type: str
              sample: Kustomization
            name:
              description: Its name.
              type: str
              sample: shop
            namespace:
              description: Its namespace, empty where nothing says it.
              type: str
              sample: flux-system
            group:
              description: Its API group.
              type: str
              sample: kustomize.toolkit.fluxcd.io
            sure:
              description:
                - Whether no other tool leaves such a mark. The label C(app.kubernetes.io/instance), which Argo CD may
                  use, is left by Helm charts as well.
              type: bool
              sample: true
    pods:
      description: Its pods that have not ended.
      type: list
      elements: dict
      contains:
        name:
          description: Name.
          type: str
          sample: db-0
        uid:
          description: Its identity.
          type: str
          sample: 1b0c8f0e-5a1d-4b84-8f1a-7a3c2f4d9c55
        workload:
          description: The workload it belongs to, empty for a bare pod.
          type: str
          sample: StatefulSet/db
        phase:
          description: Phase.
          type: str
          sample: Running
        ready:
          description: Whether it is ready and not being deleted.
          type: bool
          sample: true
        ip:
          description: Its address.
          type: str
          sample: 10.88.0.12
        node:
          description: The node it runs on.
          type: str
          sample: node-1
        started:
          description: When it was started.
          type: str
          sample: "2026-11-21T14:03:05Z"
        containers:
          description: Its containers with the digests that run, as in RV(app.workloads[].containers).
          type: list
          elements: dict
        claims:
          description: The claims it mounts.
          type: list
          elements: str
          sample: [data-db-0]
    volumes:
      description: Claims and the volumes behind them.
      type: list
      elements: dict
      contains:
        claim:
          description: The claim.
          type: str
          sample: data-db-0
        claim_uid:
          description: Its identity, empty where it does not exist.
          type: str
          sample: 5c2b7e0a-93b5-4b39-8a58-3f5f7a2e1d70
        phase:
          description: Its phase. V(Missing) for a claim that is mounted and does not exist.
          type: str
          sample: Bound
        volume:
          description: The volume it is bound to.
          type: str
          sample: pvc-5c2b7e0a
        handle:
          description: The driver's name of the volume.
          type: str
          sample: vol-1
        driver:
          description: The CSI driver, empty where the volume is not CSI.
          type: str
          sample: ebs.csi.aws.com
        storage_class:
          description: Storage class.
          type: str
          sample: fast
        size:
          description: Capacity as a quantity.
          type: str
          sample: 10Gi
        mode:
          description: V(Filesystem) or V(Block).
          type: str
          sample: Filesystem
        access_modes:
          description: Access modes.
          type: list
          elements: str
          sample: [ReadWriteOnce]
        reclaim_policy:
          description: What happens to the volume when its claim goes.
          type: str
          sample: Delete
        mounted_by:
          description: Workloads and pods of the namespace that mount it, also those outside the application.
          type: list
          elements: str
          sample: [StatefulSet/db]
        deleting:
          description: Whether the claim is being deleted.
          type: bool
          sample: false
        fs_type:
          description: The filesystem that the volume names, empty where it leaves that to the driver.
          type: str
          sample: ext4
        ephemeral:
          description: Whether the claim belongs to one pod and goes with it.
          type: bool
          sample: false
        restored_from:
          description: What the claim was made from. A recovery point or a data source, else empty.
          type: str
          sample: ""
    notes:
      description: What could not be told, or is worth knowing.
      type: list
      elements: str
      sample: [claim scratch is mounted by no workload and is left out; claims can name it]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import APP_ARGS, spec_of
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.graph import resolve


def look(frame: Frame) -> dict[str, object]:
    spec = spec_of(frame.params)
    return {"app": resolve(frame.connect(), spec, strict=frame.params["strict"]).to_dict()}


def main() -> None:
    arguments = {**AUTH_ARGS, **COMMON_ARGS, **APP_ARGS, "strict": {"type": "bool", "default": True}}
    run_door(AnsibleModule(argument_spec=arguments, supports_check_mode=True), look)


if __name__ == "__main__":
    main()
