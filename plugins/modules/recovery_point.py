#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point
short_description: Captures an application as a recovery point, or gives old ones up
description:
  - With O(state=present) it makes one CSI snapshot of every claim of the application in a single wave and states the
    result in the ledger, together with the image digests and commits that were writing at that moment.
  - Commands in the pods (O(hooks)) run right before the first cut and right after the last. Those after the cut run on
    every way out.
  - The snapshots are kept (C(deletionPolicy=Retain)). Deleting the VolumeSnapshots, or the whole namespace, loses
    nothing.
  - A recovery point says how consistent it is and never claims more than was seen. V(application) needs hooks that held
    the writers through all cuts in every pod that mounts a volume, or a completed base backup of PostgreSQL. One volume
    without them is V(crash), several volumes with separate cuts are V(fuzzy).
  - A claim that cannot be captured (not on a CSI volume, not bound, being deleted, without a VolumeSnapshotClass) is
    named, and nothing is changed. With O(allow_partial=true) it is left out, and the point says so for ever.
  - A capture that fails or was killed leaves no snapshots behind. A killed one is made anew by the next run.
  - With O(state=absent) it gives up the points that no rule of O(retention) keeps. Each is marked in the ledger first,
    then its snapshots are freed, and that is stated. This cannot be undone. A point that was held, or came to be used,
    after the plan was made is left alone.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  state:
    description:
      - V(present) captures.
      - V(absent) gives points up by O(retention).
    type: str
    choices: [present, absent]
    default: present
  not_older_than:
    description:
      - Changes nothing when the newest point is at most that old, holds all claims, and its snapshots are there. A span
        such as V(6h), V(90m), V(2d), or seconds.
      - This takes three requests where the namespace has no other claims than the application's, or C(app.claims) names
        them. Otherwise the application is resolved first, which takes about fifteen.
      - Points taken with O(purpose=forensic) do not count.
    type: str
  hooks:
    description:
      - What is done in the pods around the cut. A dictionary with the lists C(pre) and C(post), C(budget_s) and
        C(velero_hooks). Without it C(app.hooks) is used.
      - Each hook has C(name) and either C(workload) (C(Kind/name), all its running pods) or C(selector) (a label
        selector). C(container) (the first), C(timeout_s) (30), C(on_error) (V(fail) or V(continue)) and C(order) (pods
        that come first, by name) may be given.
      - C(kind=exec), the default, runs C(command), a list of words. There is no shell. It is killed in the container
        when its time is over, where the container has C(timeout). C(holds=true) declares that a C(pre) hook stops the
        writers until the C(post) hook of the same name lets them go. That one has to be harmless when it runs twice.
      - C(kind=session) keeps C(command) running from before the freeze until the cut. It holds once it has printed a
        line with C(ready). It lets go when it reads C(release), or the end of its stdin.
      - C(kind=fsfreeze) freezes the filesystem at C(path), of C(claim), or of all C(claims) side by side. Its container
        needs C(fsfreeze) and CAP_SYS_ADMIN. A Btrfs is not frozen, as that would stop all volumes of its pool.
      - C(profile) is V(postgresql), V(mysql), V(mariadb), V(redis) or V(mongodb), and knows what to do. Its C(options)
        are C(user), C(host) (or the path of a socket), C(port), C(database), C(password_env) (the name of a variable in
        the container) and C(password_file) (a path in it). Replicas are held before primaries. The commands for MySQL
        and MongoDB were never run on a server by our tests.
      - What holds is let go last first, on every way out. Before anything is frozen a dead-man is started in each of
        the containers, which lets go by itself when this run dies or the budget is over. Where none can run (no shell,
        no C(sleep)) the hook is refused.
      - C(budget_s) is the longest time that writers are held, at most and by default O(cut_timeout). When it is over
        they are let go while the cut goes on, and the point is no better than without hooks.
      - C(velero_hooks=true) also runs what the annotations C(pre.hook.backup.velero.io/command) and
        C(post.hook.backup.velero.io/command) on the pods say, with their C(container), C(timeout) and C(on-error). By
        default nothing is run that was not asked for here. Of these only C(fsfreeze) counts as holding anything.
    type: dict
  snapshot_class:
    description:
      - The VolumeSnapshotClass to use. Its driver has to be that of every volume.
      - Without it, each volume gets the default class of its driver.
    type: str
    default: ""
  group:
    description:
      - Whether the volumes are cut by one VolumeGroupSnapshot instead of one VolumeSnapshot each.
      - V(auto) makes a group where all volumes are of one driver, that driver is named in O(atomic_group_drivers), and
        there is a VolumeGroupSnapshotClass for it. Elsewhere a group proves nothing and couples its members, which can
        only be freed together.
      - V(always) makes one whatever is declared, and fails where it cannot be made.
      - Of the versions of the API (v1, v1beta2, v1beta1) the newest is spoken that the cluster serves.
    type: str
    choices: [auto, never, always]
    default: auto
  atomic_group_drivers:
    description:
      - CSI drivers that are known to cut all volumes of a group at one moment. Only you, or the maker of the storage,
        can know that. The API does not promise it.
      - A group of such a driver makes a point of several volumes V(crash), not V(fuzzy).
    type: list
    elements: str
    default: []
  max_parallel:
    description:
      - How many snapshots a driver is asked for at a time, by driver. The next is made when one is cut.
      - A driver that is not named is asked for all of them at once.
    type: dict
    default: {}
  allow_partial:
    description:
      - Captures the claims that can be captured and leaves out the others, named with the reason in
        RV(recovery_points[].left_out).
      - Such a point is chosen to go back to only where the policy of M(knowngood.kube.known_good) allows it
        (C(allow_partial)).
    type: bool
    default: false
  purpose:
    description:
      - What the point is taken for. V(forensic) keeps evidence and is left out when a point to go back to is looked
        for.
    type: str
    choices: [scheduled, forensic, manual]
    default: scheduled
  incident:
    description:
      - Id of an incident. For one incident and purpose one point is made, however often it is asked for.
    type: str
    default: ""
  cut_timeout:
    description:
      - Seconds within which all snapshots have to be cut. Hooks hold the writers no longer than this.
    type: int
    default: 60
  ready_timeout:
    description:
      - Seconds within which all snapshots have to be ready to be restored from.
    type: int
    default: 600
  retention:
    description:
      - With O(state=absent), which points are kept. C(keep_last) is how many of the newest, C(keep_hourly),
        C(keep_daily), C(keep_weekly), C(keep_monthly) and C(keep_yearly) are of how many of the last hours, days, ISO
        weeks, months and years (of UTC, counting only those that have a point) the newest point is kept. Without any
        of these everything is kept.
      - C(min_age) is a span of time, younger points are kept. C(min_copies) (1) is how many good points are kept
        whatever the rules say.
      - Never given up are the newest, the last good, the last clean, the last verified and held points, evidence,
        points that an operation or a claim needs (also while a restore of them can be undone), and points whose cut is
        not known or lies in the future of this clock.
      - A point that is worth less takes no place of a better one. Rules are counted among all points, then among those
        that are whole and not suspect, at least crash-consistent, and application-consistent. What any of these counts
        wants is kept.
    type: dict
  orphans:
    description:
      - With O(state=absent), looks for what was left behind. Snapshots that no statement knows (of captures that were
        killed and never resumed), given up points whose snapshots are still there, points whose snapshots have no
        content any more, several contents of one snapshot, and claims, pods and volumes that restores left.
      - V(report) returns them in RV(orphans). V(remove) removes those that are RV(orphans[].removable) as well. What
        may be the only place of some data is reported only.
    type: str
    choices: [report, remove]
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
    support: partial
    details:
      - A capture is repeatable on purpose. With O(not_older_than) or O(incident) it changes nothing when what is asked
        for is there.
seealso:
  - module: knowngood.kube.restore
  - module: knowngood.kube.recovery_point_info
"""

EXAMPLES = r"""
- name: A recovery point, unless there is one of the last six hours
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    not_older_than: 6h

- name: With a checkpoint in the database first
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    hooks:
      pre:
        - name: checkpoint
          workload: StatefulSet/db
          command: [psql, -U, postgres, -c, CHECKPOINT]

- name: PostgreSQL with its WAL on a second claim, and files that a session keeps from being written
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    hooks:
      budget_s: 20
      pre:
        - profile: postgresql
          workload: StatefulSet/db
        - name: uploads
          workload: Deployment/uploads
          kind: session
          command: [flock, /srv/lock, sh, -c, echo LOCKED; cat]
          ready: LOCKED

- name: A frozen filesystem, and what Velero's annotations say
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    hooks:
      velero_hooks: true
      pre:
        - name: disk
          workload: StatefulSet/search
          kind: fsfreeze
          claim: data-search-0
          container: freezer

- name: All volumes at one moment, by a driver that is known to do so
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    atomic_group_drivers: [csi.storage.example]

- name: What can be captured, four snapshots at a time
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    allow_partial: true
    max_parallel:
      csi.storage.example: 4

- name: Evidence, once for this incident
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    purpose: forensic
    incident: INC-2026-001

- name: Keep the last three points and one of each of the last seven days
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    state: absent
    retention:
      keep_last: 3
      keep_daily: 7

- name: What was left behind?
  knowngood.kube.recovery_point:
    app:
      name: shop
      namespace: shop
    state: absent
    orphans: report
"""

RETURN = r"""
recovery_points:
  description:
    - The point that was made, or that is there already. With O(state=absent) those given up. Empty in check mode of a
      capture, as the id is made from the time of the cut.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: shop-20261121-140305-9f2c
    cut_at:
      description: When each claim was cut.
      type: dict
      sample: {data-db-0: "2026-11-21T14:03:05.123456Z"}
    consistency:
      description: V(application), V(crash) or V(fuzzy).
      type: str
      sample: crash
    consistency_reason:
      description: Why it is that and no more.
      type: str
      sample: "one volume, its writers were not held: there are no hooks"
    left_out:
      description: Claims that it does not hold, with the reason (see O(allow_partial)). Empty for a whole point.
      type: dict
      sample: {scratch: "it is not on a CSI volume (pv-scratch)"}
    freeze_ms:
      description: How long hooks held the writers of each claim, in milliseconds.
      type: dict
      sample: {data-db-0: 0}
    snapshots:
      description: The snapshot of each claim, with driver, handle, class and sizes.
      type: list
      elements: dict
      sample: [{claim: data-db-0, snapshot: data-db-0-3f2a9c1b7d, snapshot_class: local}]
    digests:
      description: Image digests that ran at the cut, by workload.
      type: dict
      sample: {StatefulSet/db: ["sha256:9f2c0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a69788766554433"]}
    commits:
      description: The commit of each digest as C(app.sources) declares it, null where it does not.
      type: dict
      sample: {"sha256:9f2c0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a69788766554433": null}
    writers:
      description: Which workloads may write each claim.
      type: dict
      sample: {data-db-0: [Deployment/orders, StatefulSet/db]}
    purpose:
      description: What it was taken for.
      type: str
      sample: scheduled
    incident:
      description: The incident it was taken for, or empty.
      type: str
      sample: ""
    held:
      description: Whether it is kept from being given up.
      type: bool
      sample: false
    holds:
      description: Why it is kept.
      type: list
      elements: dict
      sample: []
    verdict:
      description: The last verdict, null while it was not judged.
      type: str
      sample: null
    judged:
      description: The last judgement, null while it was not judged.
      type: dict
      sample: null
    verified:
      description: Whether a drill restored it and passed.
      type: bool
      sample: false
    state:
      description: V(available) or V(pruned).
      type: str
      sample: available
    statements:
      description: Everything the ledger states about it.
      type: list
      elements: dict
      sample: [{seq: 1, kind: captured}]
retention:
  description: Each point that is not given up yet, oldest cut first. Whether it is kept, and why. Also in check mode.
  returned: with O(state=absent)
  type: list
  elements: dict
  contains:
    id:
      description: The point.
      type: str
      sample: shop-20261121-140305-9f2c
    cut_at:
      description: Its last cut. Empty where it is not known.
      type: str
      sample: "2026-11-21T14:03:05.123456Z"
    keep:
      description: Whether it is kept.
      type: bool
      sample: true
    reasons:
      description: All reasons to keep it, or V(no rule keeps it).
      type: list
      elements: str
      sample: [the newest point, the last good point, one of the last 3]
orphans:
  description: What was left behind. Empty without O(orphans).
  returned: with O(state=absent)
  type: list
  elements: dict
  contains:
    kind:
      description:
        - V(snapshot_without_statement), V(pruned_not_freed), V(content_gone), V(duplicate_content), V(leftover) (claims
          and pods of restores), V(volume_left) or V(kept_volume).
      type: str
      sample: snapshot_without_statement
    object:
      description: The object.
      type: str
      sample: VolumeSnapshotContent snapcontent-0c9b2f4e-3a57-4c8c-8a51-f7f3e6a9d812
    why:
      description: Why it counts as left behind. Why it was left alone, where it was.
      type: str
      sample: "left by capture-shop-3f2a9c1b7d: no statement knows its snapshot"
    point:
      description: The recovery point that it is about, or empty.
      type: str
      sample: ""
    operation:
      description: The operation that left it, where the object says so.
      type: str
      sample: capture-shop-3f2a9c1b7d
    removable:
      description: Whether V(remove) removes it.
      type: bool
      sample: true
    frees_data:
      description: Whether its data goes with it.
      type: bool
      sample: true
    state:
      description: V(found) or V(removed).
      type: str
      sample: found
    next:
      description: What a person does with it, where nothing removes it.
      type: str
      sample: ""
notes:
  description: What a person should know about the run.
  returned: success
  type: list
  elements: str
  sample: [not older than 21600 s]
plan:
  description: The steps. Empty when there is nothing to do.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What the step does.
      type: str
      sample: snapshot
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
  description: SHA-256 of the plan, equal in check mode and in the run that follows. Empty when there is no plan.
  returned: success
  type: str
  sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
operation:
  description: The operation that made it. Empty in check mode.
  returned: success
  type: str
  sample: capture-shop-3f2a9c1b7d
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import APP_ARGS, spec_of
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._core.durations import seconds
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture import capture
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_plan import CaptureWish, limits
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.house import House, house

ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    **APP_ARGS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "not_older_than": {"type": "str"},
    "hooks": {"type": "dict"},
    "snapshot_class": {"type": "str", "default": ""},
    "group": {"type": "str", "choices": ["auto", "never", "always"], "default": "auto"},
    "atomic_group_drivers": {"type": "list", "elements": "str", "default": []},
    "max_parallel": {"type": "dict", "default": {}},
    "allow_partial": {"type": "bool", "default": False},
    "purpose": {"type": "str", "choices": ["scheduled", "forensic", "manual"], "default": "scheduled"},
    "incident": {"type": "str", "default": ""},
    "cut_timeout": {"type": "int", "default": 60},
    "ready_timeout": {"type": "int", "default": 600},
    "retention": {"type": "dict"},
    "orphans": {"type": "str", "choices": ["report", "remove"]},
}


def tools(frame: Frame) -> House:
    return house(
        frame.connect(),
        frame.state_namespace,
        reporter=frame.reporter,
        stopping=frame.stopping,
        check_mode=frame.check_mode,
    )


def present(frame: Frame) -> dict[str, object]:
    given, spec = frame.params, spec_of(frame.params)
    hooks = Hooks.from_dict(spec.hooks if given["hooks"] is None else given["hooks"])
    wish = CaptureWish(
        hooks=hooks,
        snapshot_class=given["snapshot_class"],
        purpose=given["purpose"],
        incident=given["incident"],
        cut_timeout_s=given["cut_timeout"],
        ready_timeout_s=given["ready_timeout"],
        group=given["group"],
        atomic_drivers=tuple(given["atomic_group_drivers"]),
        max_parallel=limits(given["max_parallel"]),
        allow_partial=given["allow_partial"],
    )
    age = given["not_older_than"]
    limit = None if age is None else seconds(age, "not_older_than")
    return capture(tools(frame), spec, wish, limit)


def gone(frame: Frame) -> dict[str, object]:
    from ansible_collections.knowngood.kube.plugins.module_utils._ansible.giving_up import absent

    return absent(frame, tools(frame))


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("state", "absent", ["retention", "orphans"], True)],
    )
    run_door(module, {"present": present, "absent": gone}[module.params["state"]])


if __name__ == "__main__":
    main()
