#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Brings the data of a recovery point back, in place or beside
description:
  - In place, volumes are swapped and never overwritten. New volumes are made from the snapshots and verified on
    throwaway copies while the application runs. Only then are the workloads that mount the claims stopped, the claims
    bound to the new volumes, and the workloads started and verified again.
  - The volumes that were replaced are kept (C(persistentVolumeReclaimPolicy=Retain)) and labelled with their expiry.
    M(knowngood.kube.operation) with C(state=undone) binds the claims to them again. At every moment at least one
    retained volume holds the data from before.
  - Undone beside the old claims, into another namespace or another cluster, it is refused while a pod mounts one of the
    claims that it made. They are deleted; their volumes, which somebody may have written to, are kept as long.
  - The new volumes stay at C(Retain) as well. The annotation C(knowngood.io/reclaim-policy) keeps what their class
    would have given them.
  - Works with plain CSI snapshots. Where the VolumeSnapshot objects are gone, the snapshot is imported by the handle
    that the ledger has.
  - Only workloads that mount a restored claim are stopped. Those that stand at zero, for instance because a quarantine
    holds them there, are not started.
  - Asked again for the same point it changes nothing. Killed anywhere, the same task started again goes on.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  state:
    description:
      - V(present) restores.
      - V(expired) frees the volumes that restores of the application, and their undos, kept (O(keep_previous_for)) and
        whose time has passed. All other options but O(app) are left out then. Volumes of one operation go together,
        when the last of them is due. One that an unfinished operation, a claim or a node needs is left alone. A restore
        whose old volume is gone cannot be undone any more; the ledger says so. This itself cannot be undone.
    type: str
    choices: [present, expired]
    default: present
  recovery_point:
    description:
      - Id of the recovery point, or V(latest) for the newest one that was not taken as evidence.
      - Needed with O(state=present).
    type: str
  target:
    description:
      - V(in_place) binds the application's claims to the restored volumes.
      - V(claim) makes new claims beside them and touches no workload.
      - V(namespace) makes claims in O(target_namespace). The snapshot is imported there, and the claims have the labels
        that were captured without those of GitOps tools and Helm, and no owners.
      - V(cluster) does the same in another cluster whose storage is the same, reached by O(target_kubeconfig),
        O(target_context) or O(target_host). Where its driver is another one, or its storage does not know the
        snapshot, the restore fails and says that an off-cluster copy is the way. Journal and ledger stay in the
        application's own cluster.
    type: str
    choices: [in_place, claim, namespace, cluster]
    default: in_place
  target_namespace:
    description:
      - With O(target=namespace) or O(target=cluster), the namespace to make the claims in. It has to exist. Without it,
        in another cluster, the namespace of the application.
    type: str
    default: ""
  target_kubeconfig:
    description:
      - With O(target=cluster), the kubeconfig of the other cluster, its path or a dictionary. The path and
        O(target_context) are kept in the journal, so that M(knowngood.kube.operation) can go on; a dictionary and the
        other options of access are not.
    type: raw
  target_context:
    description: Context in O(target_kubeconfig).
    type: str
  target_host:
    description: URL of the other cluster's API server.
    type: str
  target_api_key:
    description: Token for O(target_host).
    type: str
  target_validate_certs:
    description: Whether the other cluster's certificate is checked.
    type: bool
  target_ca_cert:
    description: Path of the authority that signed it.
    type: path
  target_client_cert:
    description: Path of a client certificate for O(target_host).
    type: path
  target_client_key:
    description: Path of its key.
    type: path
  storage_class:
    description:
      - StorageClass of the new claims. Without it the class that the claim has now, else the one it was captured with.
        Its driver has to be the one that made the snapshot.
    type: str
    default: ""
  storage_class_map:
    description:
      - StorageClass by the class that takes its place. Goes before O(storage_class).
    type: dict
    default: {}
  claims:
    description:
      - The claims to restore. Without it all that the point holds.
    type: list
    elements: str
    default: []
  claim_names:
    description:
      - Beside the application's claims, the name of the new claim by claim. Without it, the claim's name and the time
        of the point with O(target=claim), and the claim's own name elsewhere.
    type: dict
    default: {}
  image_overrides:
    description:
      - Images to set while the application is stopped, by workload (C(Kind/name)). An image, or a dictionary of
        container to image.
    type: dict
  verify:
    description:
      - Probes that prove the data. Without it C(app.probes) is used.
      - Each has C(name), C(kind) (V(exec) with C(command), a list of words, V(sql) with C(query), C(user),
        C(database) and C(host), run by C(psql) in the pod, or V(http) with C(port), C(path), C(scheme) and C(host),
        asked for by port-forward), C(on) (V(staged), V(live) or V(both)), C(workload)
        (C(Kind/name)), C(container), C(timeout_s) (60) and C(expect) (C(rc), C(stdout_contains), C(stdout_equals),
        C(stdout_regex); for V(http) C(status) instead of C(rc), and the texts are those of the page).
      - On the staged data a probe runs in a pod made from the workload's template, with throwaway copies of the
        restored volumes. C(image), C(start) (what its container runs) and C(env) replace the template's. Without a
        workload, C(image), C(claim) and C(mount_path) say what the pod is. Secrets are given by C(valueFrom) only, as
        probes are kept in the journal.
      - A probe that fails on the staged data ends the restore before anything was stopped and clears what was staged.
    type: list
    elements: dict
  verify_from:
    description:
      - What the throwaway copies are made from. V(volume) clones the staged volume. V(snapshot) makes a second volume
        from the snapshot, for drivers that cannot clone.
    type: str
    choices: [volume, snapshot]
    default: volume
  manifest:
    description:
      - Makes a manifest of what each new volume holds, before anything is stopped. A line a path with type, SHA-256,
        mode, uid, gid and size, and for a raw block volume one line for the device. Its SHA-256 and counts are stated
        in the ledger. Where an earlier restore of the same point has stated another one, the restore fails.
      - It reads every byte of the volume. Extended attributes and hard links are not looked at.
    type: dict
    suboptions:
      dest:
        description: Folder on the controller for the manifests. Without it only their sums are kept.
        type: path
      image:
        description:
          - Image of the pod that reads the volume. It needs a shell, C(find), C(stat), C(sha256sum), C(sort), C(paste),
            C(sed), C(awk), C(dd) and C(base64). Without it that of a workload that mounts the claim.
        type: str
        default: ""
      user:
        description: The uid that reads. Root reads everything and has no other right in the pod.
        type: int
        default: 0
  keep_previous_for:
    description:
      - How long the replaced volumes are kept and the restore can be undone. A span such as V(72h), or seconds.
    type: str
    default: 72h
  incident:
    description:
      - Id of an incident. For one incident and point the restore is made once, whatever was written since. Without it,
        claims that hold this point already are not restored again.
    type: str
    default: ""
  isolated:
    description:
      - Workloads (C(Kind/name)) that M(knowngood.kube.quarantine) will have scaled down by the time the restore runs,
        so that a plan made before says the same. What stands still already needs no mention.
      - They are neither stopped nor started. An undo stops those that run by then, and starts them again at its end.
    type: list
    elements: str
    default: []
  pause:
    description:
      - What makes an operator let go of the application while its data is exchanged, one entry an object. HPA, KEDA,
        Argo CD and Flux need no entry, they are found and frozen. Without it C(app.pause) is used. See
        C(docs/restore.md).
      - Each has C(kind), C(name), C(api_version) (for kinds that are not of Kubernetes itself), C(namespace) (the
        application's), C(patch) (a JSON merge patch of C(spec), annotations and labels) or C(annotations),
        C(workloads) (C(Kind/name), those that it is for, all by default), C(wait_for) (a JMESPath expression over the
        object that is true once it is paused) and C(timeout) (300 seconds).
      - The values found are kept and put back after the start, and by an undo. They are kept in the journal, so no
        secret values may be patched.
      - A workload of a kind that cannot be stopped otherwise is stopped by the entry for that very object. It has to
        make the controller take the pods away, and putting it back has to bring them back.
    type: list
    elements: dict
    default: []
  on_failure:
    description:
      - What happens when a step after the stop fails, such as a probe on the live data. V(undo) puts everything back
        and fails. V(hold) leaves it there to be looked at; M(knowngood.kube.operation) goes on or undoes it.
    type: str
    choices: [undo, hold]
    default: undo
  stage_timeout:
    description: Seconds within which each new volume has to be there.
    type: int
    default: 600
  stop_timeout:
    description: Seconds within which the pods of a workload have to end.
    type: int
    default: 300
  ready_timeout:
    description: Seconds within which a workload has to be ready again.
    type: int
    default: 300
extends_documentation_fragment:
  - knowngood.kube.application
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.operation.live
  - knowngood.kube.attributes
  - knowngood.kube.attributes.live
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: knowngood.kube.recovery_point
  - module: knowngood.kube.operation
"""

EXAMPLES = r"""
- name: Back to a point, proven before and after the swap
  knowngood.kube.restore:
    app:
      name: shop
      namespace: shop
    recovery_point: shop-20261121-140305-9f2c
    verify:
      - name: orders are there
        kind: sql
        workload: StatefulSet/db
        database: shop
        query: SELECT count(*) FROM orders
        expect:
          stdout_equals: "1000"

- name: Data and the fixed image together
  knowngood.kube.restore:
    app:
      name: shop
      namespace: shop
    recovery_point: shop-20261121-140305-9f2c
    incident: INC-2026-001
    image_overrides:
      Deployment/orders: registry.example/orders@sha256:9f2c0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a69788766554433

- name: An operator lets go meanwhile
  knowngood.kube.restore:
    app:
      name: shop
      namespace: shop
    recovery_point: latest
    pause:
      - kind: Cluster
        api_version: postgresql.cnpg.io/v1
        name: db
        annotations:
          cnpg.io/hibernation: "on"

- name: Have a look at the old data beside the new
  knowngood.kube.restore:
    app:
      name: shop
      namespace: shop
    recovery_point: latest
    target: claim
    claims: [data-db-0]
    claim_names:
      data-db-0: data-to-look-at

- name: The data of yesterday in a namespace of its own, with proof of what it holds
  knowngood.kube.restore:
    app:
      name: shop
      namespace: shop
    recovery_point: shop-20261121-140305-9f2c
    target: namespace
    target_namespace: shop-look
    manifest:
      dest: /var/lib/knowngood/manifests

- name: Free what restores kept, where its time has passed
  knowngood.kube.restore:
    app:
      name: shop
      namespace: shop
    state: expired
"""

RETURN = r"""
recovery_point:
  description: The point.
  returned: with O(state=present)
  type: str
  sample: shop-20261121-140305-9f2c
volumes:
  description: What became of each claim.
  returned: with O(state=present)
  type: list
  elements: dict
  contains:
    claim:
      description: The claim.
      type: str
      sample: data-db-0
    from:
      description: The volume it had, empty where there was none.
      type: str
      sample: pvc-5d1f0f9e-6c0f-4df1-9d3b-0c1c2f9f6a77
    to:
      description: The restored volume. Empty in check mode.
      type: str
      sample: pvc-0c9b2f4e-3a57-4c8c-8a51-f7f3e6a9d812
    kept:
      description: The replaced volume that is kept.
      type: str
      sample: pvc-5d1f0f9e-6c0f-4df1-9d3b-0c1c2f9f6a77
    kept_until:
      description: Until when it is kept.
      type: str
      sample: "2026-11-24T14:10:00Z"
    of:
      description: Beside the application's claims, the claim whose data it is.
      type: str
      sample: data-db-0
downtime_s:
  description:
    - Seconds from the first stop to the last workload being ready again, as the journal has them. Null when nothing had
      to be stopped.
  returned: with O(state=present)
  type: float
  sample: 5.2
verified:
  description: Whether there were probes and all of them passed.
  returned: with O(state=present)
  type: bool
  sample: true
verification:
  description: One row a probe and side.
  returned: with O(state=present)
  type: list
  elements: dict
  contains:
    probe:
      description: Its name.
      type: str
      sample: orders are there
    "on":
      description: V(staged) or V(live).
      type: str
      sample: staged
    path:
      description: With V(http) V(port_forward), the way that the request took.
      type: str
      sample: port_forward
    state:
      description: V(passed) or V(skipped). A probe that fails fails the restore.
      type: str
      sample: passed
    reason:
      description: Why it was skipped.
      type: str
      sample: Deployment/orders does not run
    rc:
      description: Its exit code, or the status of the page.
      type: int
      sample: 0
    stdout:
      description: Fingerprint of what it wrote. The text itself is not kept.
      type: str
      sample: sha256:40510175
    stdout_chars:
      description: How much it wrote.
      type: int
      sample: 5
    tries:
      description: How often it was tried.
      type: int
      sample: 1
    ms:
      description: How long it took, in milliseconds.
      type: int
      sample: 84
manifests:
  description: What each new volume holds, by claim. Empty without O(manifest).
  returned: with O(state=present)
  type: dict
  sample:
    files:
      sha256: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
      entries: 14
      files: 11
      bytes: 73400320
      skipped: 0
      path: /var/lib/knowngood/manifests/shop-20261121-140305-9f2c-files.manifest
undo_until:
  description: Until when the restore can be undone. Empty in check mode.
  returned: with O(state=present)
  type: str
  sample: "2026-11-24T14:10:00Z"
undone:
  description: Whether a restore that failed was put back.
  returned: failure after something was changed
  type: bool
  sample: true
notes:
  description: What a person should know about the run.
  returned: with O(state=present)
  type: list
  elements: str
  sample: [the claims hold it already]
kept_volumes:
  description: The volumes that were kept, and what became of each.
  returned: with O(state=expired)
  type: list
  elements: dict
  contains:
    volume:
      description: The PersistentVolume.
      type: str
      sample: pvc-5d1f0f9e-6c0f-4df1-9d3b-0c1c2f9f6a77
    claim:
      description: The claim it was kept for, with its namespace.
      type: str
      sample: shop/data-db-0
    operation:
      description: The operation that kept it.
      type: str
      sample: restore-shop-3f2a9c1b7d
    kept_until:
      description: Until when it is kept.
      type: str
      sample: "2026-11-24T14:10:00Z"
    state:
      description:
        - V(expired) (it was freed), V(due) (it would be, in check mode), V(kept) (its time has not passed), V(busy)
          (somebody needs it) or V(unclear) (it does not say until when).
      type: str
      sample: expired
    reason:
      description: Why.
      type: str
      sample: its time had passed
plan:
  description: The steps. Empty when there is nothing to do.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What the step does.
      type: str
      sample: swap data-db-0
    touches:
      description: The objects that it touches.
      type: list
      elements: str
      sample: [PersistentVolumeClaim shop/data-db-0]
    state:
      description: V(todo) or V(done).
      type: str
      sample: done
plan_hash:
  description: SHA-256 of the plan, equal in check mode and in the run that follows.
  returned: success
  type: str
  sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
operation:
  description: The operation, to resume or undo it. Empty in check mode and when there was nothing to do.
  returned: success
  type: str
  sample: restore-shop-3f2a9c1b7d
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import APP_ARGS, spec_of
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._cluster import recipes
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._core.durations import seconds
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import probes
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.content_manifest import ManifestWish
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.expire import expire
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.house import House, house
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.other_cluster import OtherCluster
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore import restore
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_wish import CLUSTER, RestoreWish

ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    **APP_ARGS,
    "state": {"type": "str", "choices": ["present", "expired"], "default": "present"},
    "recovery_point": {"type": "str"},
    "target": {"type": "str", "choices": ["in_place", "claim", "namespace", "cluster"], "default": "in_place"},
    "target_namespace": {"type": "str", "default": ""},
    "target_kubeconfig": {"type": "raw", "no_log": True},
    "target_context": {"type": "str"},
    "target_host": {"type": "str"},
    "target_api_key": {"type": "str", "no_log": True},
    "target_validate_certs": {"type": "bool"},
    "target_ca_cert": {"type": "path"},
    "target_client_cert": {"type": "path"},
    "target_client_key": {"type": "path", "no_log": False},
    "storage_class": {"type": "str", "default": ""},
    "storage_class_map": {"type": "dict", "default": {}},
    "claims": {"type": "list", "elements": "str", "default": []},
    "claim_names": {"type": "dict", "default": {}},
    "image_overrides": {"type": "dict"},
    "verify": {"type": "list", "elements": "dict"},
    "verify_from": {"type": "str", "choices": ["volume", "snapshot"], "default": "volume"},
    "manifest": {
        "type": "dict",
        "options": {
            "dest": {"type": "path"},
            "image": {"type": "str", "default": ""},
            "user": {"type": "int", "default": 0},
        },
    },
    "keep_previous_for": {"type": "str", "default": "72h"},
    "incident": {"type": "str", "default": ""},
    "isolated": {"type": "list", "elements": "str", "default": []},
    "pause": {"type": "list", "elements": "dict", "default": []},
    "on_failure": {"type": "str", "choices": ["undo", "hold"], "default": "undo"},
    "stage_timeout": {"type": "int", "default": 600},
    "stop_timeout": {"type": "int", "default": 300},
    "ready_timeout": {"type": "int", "default": 300},
}


def wish_of(frame: Frame, elsewhere: OtherCluster | None) -> RestoreWish:
    given, declared = frame.params, spec_of(frame.params)
    return RestoreWish(
        point=given["recovery_point"],
        target=given["target"],
        claims=tuple(given["claims"]),
        names={str(claim): str(name) for claim, name in given["claim_names"].items()},
        namespace=given["target_namespace"],
        cluster=elsewhere.where["uid"] if elsewhere else "",
        storage_class=given["storage_class"],
        storage_classes={str(old): str(new) for old, new in given["storage_class_map"].items()},
        images=given["image_overrides"],
        verify=probes.parse(declared.probes if given["verify"] is None else given["verify"]),
        verify_from=given["verify_from"],
        manifest=ManifestWish.of(given["manifest"]),
        keep_s=seconds(given["keep_previous_for"], "keep_previous_for"),
        incident=given["incident"],
        isolated=tuple(given["isolated"]),
        pause=recipes.parse(given["pause"] or declared.pause),
        on_failure=given["on_failure"],
        stage_timeout_s=given["stage_timeout"],
        stop_timeout_s=given["stop_timeout"],
        ready_timeout_s=given["ready_timeout"],
    )


def tools(frame: Frame, elsewhere: OtherCluster | None = None) -> House:
    return house(
        frame.connect(),
        frame.state_namespace,
        reporter=frame.reporter,
        stopping=frame.stopping,
        check_mode=frame.check_mode,
        elsewhere=elsewhere,
    )


def run(frame: Frame) -> dict[str, object]:
    access = frame.auth("target_")
    named = frame.params["target"] == CLUSTER and access != AuthOptions()
    elsewhere = OtherCluster.of(access) if named else None
    wish = wish_of(frame, elsewhere)
    return restore(tools(frame, elsewhere), spec_of(frame.params), wish)


def expired(frame: Frame) -> dict[str, object]:
    return expire(tools(frame), spec_of(frame.params))


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ["recovery_point"])]
    )
    run_door(module, {"present": run, "expired": expired}[module.params["state"]])


if __name__ == "__main__":
    main()
