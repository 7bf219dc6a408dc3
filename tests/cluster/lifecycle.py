# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""build, up, down, status, env: what the command line and the fixtures call."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import assets, configs, extras, images, keys, namespaces, packages, paths
from .api import Api
from .errors import ClusterError, NotRoot, NotUp, StartFailed
from .instance import NUMBERS, Instance
from .locks import assets_of
from .namespaces import Process
from .processes import ask
from .progress import say

_LIMIT_S = 180
_REPAIR_S = 30
# Counted on a cluster that runs.
_WATCHES = 20


@dataclass(frozen=True, slots=True)
class State:
    """What ``up`` leaves for the other commands. ``storage``: number of the instance whose volumes are used, if any."""

    outer: Process
    init: Process
    extras: tuple[str, ...]
    storage: int | None = None

    def write(self, path: Path) -> None:
        value = {
            "outer": [self.outer.pid, self.outer.started],
            "init": [self.init.pid, self.init.started],
            "extras": list(self.extras),
            "storage": self.storage,
        }
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(value))
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> State | None:
        try:
            value = json.loads(path.read_text())
            extras, storage = tuple(value["extras"]), value.get("storage")
            return cls(Process(*value["outer"]), Process(*value["init"]), extras, storage)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def existing_cluster() -> str:
    """KUBECONFIG of the user's own cluster when ``USE_EXISTING_CLUSTER=true``, else ""."""
    if os.environ.get("USE_EXISTING_CLUSTER", "").lower() != "true":
        return ""
    kubeconfig = os.environ.get("KUBECONFIG", "")
    if not kubeconfig or not all(Path(part).is_file() for part in kubeconfig.split(os.pathsep)):
        raise ClusterError("USE_EXISTING_CLUSTER=true needs KUBECONFIG to name the kubeconfig of that cluster.")
    return kubeconfig


def _require_root() -> None:
    if os.geteuid() != 0:
        raise NotRoot("The test cluster makes namespaces, mounts and control groups: run this as root.")


def require_watches() -> None:
    """Each component watches files; the kernel's limit is one for all clusters of a machine, and hard to recognise in
    what a kubelet says when it is reached."""
    inotify_init = ctypes.CDLL(None, use_errno=True).inotify_init
    made = [inotify_init() for _number in range(_WATCHES)]
    problem = ctypes.get_errno()
    for descriptor in made:
        if descriptor >= 0:
            os.close(descriptor)
    if -1 in made and problem == errno.EMFILE:
        limit = Path("/proc/sys/fs/inotify/max_user_instances").read_text().strip()
        raise ClusterError(
            f"A cluster needs {_WATCHES} inotify instances and the machine's limit of {limit} leaves too few: "
            "stop another cluster, or run: sysctl -w fs.inotify.max_user_instances=512"
        )


def build(with_extras: tuple[str, ...] = ()) -> dict[str, assets.Asset]:
    """Packages, programs and images; what is there already is kept."""
    _require_root()
    packages.ensure()
    found = assets.resolve(assets_of(with_extras))
    images.ensure()
    return found


def up(instance: Instance, wanted: tuple[str, ...] = (), storage: Instance | None = None) -> None:
    """A ready cluster with at least the ``wanted`` extras; one that is up already is kept and added to.

    ``storage`` is a running instance whose volumes and snapshots this one's CSI drivers shall see as their own.
    """
    if storage and (storage == instance or healthy(storage) is None):
        raise NotUp(f"instance {instance.number} cannot use the storage of instance {storage.number}: start that first")
    wanted = extras.normalize(wanted)
    found = build(wanted)
    with namespaces.locked(instance):
        state = healthy(instance) or _repaired(instance)
        if state:
            if storage and state.storage != storage.number:
                raise ClusterError(f"instance {instance.number} is up already, with storage of its own: stop it first")
            say(f"instance {instance.number} is up already")
            _add(instance, state, tuple(name for name in wanted if name not in state.extras), found)
            return
        _destroy(instance)
        _start(instance, wanted, found, storage)


def _link(instance: Instance, found: Mapping[str, assets.Asset]) -> None:
    """One folder with everything this instance runs, whatever its source; also the PATH that ``env`` prints."""
    instance.bin.mkdir(parents=True, exist_ok=True)
    for name, asset in found.items():
        link = instance.bin / name
        link.unlink(missing_ok=True)
        link.symlink_to(asset.path)


def _start(
    instance: Instance, wanted: tuple[str, ...], found: Mapping[str, assets.Asset], storage: Instance | None
) -> None:
    require_watches()
    instance.log.mkdir(parents=True)
    instance.disk.mkdir(parents=True, exist_ok=True)
    # Only root may look at the cluster's keys and volumes.
    instance.run.chmod(0o700)
    _link(instance, found)
    keys.make_all(instance)
    configs.write_all(instance)
    images.give_to(instance)
    say("keys and images")
    outer, init = namespaces.start(instance, wanted, storage)
    State(outer, init, wanted, storage.number if storage else None).write(instance.state)
    try:
        namespaces.connect(instance, init)
        _follow(instance, outer)
    except BaseException:
        kept = keep_logs(instance)
        _destroy(instance)
        say("logs kept in", kept)
        raise
    say(f"instance {instance.number} is up: KUBECONFIG={instance.kubeconfig()}")


def _follow(instance: Instance, outer: Process) -> None:
    """Show process 1's lines until the cluster is ready."""
    end, shown = time.monotonic() + _LIMIT_S, 0
    log = instance.log / "node.log"
    while time.monotonic() < end:
        ready, text = instance.ready.exists(), log.read_text()
        whole = text[: text.rfind("\n") + 1]
        for line in whole[shown:].splitlines():
            say("|", line)
        shown = len(whole)
        if ready:
            return
        if not outer.alive():
            raise StartFailed(f"the cluster did not start: {text.strip()[-3000:]}")
        time.sleep(0.05)
    raise StartFailed(f"the cluster was not ready within {_LIMIT_S} s")


def _add(instance: Instance, state: State, wanted: tuple[str, ...], found: Mapping[str, assets.Asset]) -> None:
    if not wanted:
        return
    _link(instance, found)
    api = Api(instance)
    for name in wanted:
        extras.set_up(instance, name, api)
        for one in extras.components_of(instance, name):
            ask(instance.control_socket, {"do": "start", "name": one.name, "argv": list(one.argv), "env": one.env})
        say(name)
    State(state.outer, state.init, (*state.extras, *wanted), state.storage).write(instance.state)


def healthy(instance: Instance) -> State | None:
    """The state of a cluster that is up with every component running, else None."""
    state = State.read(instance.state)
    if not state or not state.init.alive() or not instance.ready.exists():
        return None
    try:
        codes = components(instance)
    except (OSError, ClusterError):
        return None
    if any(code is not None for code in codes.values()):
        return None
    return state if Api(instance).is_ready() else None


def _repaired(instance: Instance) -> State | None:
    """Start again what ended in a cluster whose process 1 lives, so that no data is lost; None if that fails."""
    state = State.read(instance.state)
    if not state or not state.init.alive() or not instance.ready.exists():
        return None
    end = time.monotonic() + _REPAIR_S
    while time.monotonic() < end:
        try:
            for name in [name for name, code in components(instance).items() if code is not None]:
                say(f"{name} ended; starting it again")
                ask(instance.control_socket, {"do": "start", "name": name})
        except (OSError, ClusterError):
            return None
        time.sleep(1)
        if found := healthy(instance):
            return found
    say(f"instance {instance.number} could not be repaired; starting anew")
    return None


def components(instance: Instance) -> dict[str, int | None]:
    """Exit code of each component, None while it runs. OSError where no cluster is up."""
    answer = ask(instance.control_socket, {"do": "status"})
    return {name: one["code"] for name, one in answer["components"].items()}


def down(instance: Instance) -> None:
    """Remove the instance and all it left, in whatever state it is."""
    _require_root()
    with namespaces.locked(instance):
        _destroy(instance)


def users_of(instance: Instance) -> list[int]:
    """Numbers of the running instances that use this one's storage."""
    states = {number: State.read(Instance(number).state) for number in NUMBERS}
    return [number for number, one in states.items() if one and one.storage == instance.number and one.init.alive()]


def free_instance() -> Instance:
    """One that nobody uses, from the highest number down (the highest but one is for tests of starts and stops)."""
    paths.RUN.mkdir(parents=True, exist_ok=True)
    for number in sorted(set(NUMBERS) - {14}, reverse=True):
        with suppress(FileExistsError):
            # Making the folder is taking the number.
            Instance(number).run.mkdir()
            return Instance(number)
    raise ClusterError("all instances are in use")


def _destroy(instance: Instance) -> None:
    if sharing := users_of(instance):
        raise ClusterError(
            f"instance {sharing[0]} uses the storage of instance {instance.number}; first: "
            f"python -m tests.cluster down --instance {sharing[0]}"
        )
    state = State.read(instance.state)
    namespaces.destroy(instance, state.outer if state else None)


def keep_logs(instance: Instance, target: Path | None = None) -> Path:
    """Copy the logs of an instance to where ``down`` does not reach."""
    target = target or instance.disk.parent / f"{instance.number}.failed"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(instance.log, target)
    if instance.audit_log.exists():
        shutil.copy(instance.audit_log, target / "audit.log")
    return target


def state_of(instance: Instance) -> State:
    state = State.read(instance.state)
    if not state or not state.init.alive() or not instance.ready.exists():
        raise NotUp(f"instance {instance.number} is not up; start it with: python -m tests.cluster up")
    return state


def environment(instance: Instance) -> dict[str, str]:
    """What a shell needs to use the cluster."""
    existing = existing_cluster()
    if existing:
        return {"KUBECONFIG": existing}
    state_of(instance)
    found = {
        "KUBECONFIG": str(instance.kubeconfig()),
        "KNOWNGOOD_INSTANCE": str(instance.number),
        "KNOWNGOOD_AUDIT_LOG": str(instance.audit_log),
        "KNOWNGOOD_FAULTS": str(instance.faults()),
    }
    for name, image in images.bases().items():
        found[f"KNOWNGOOD_IMAGE_{name.upper()}"] = images.reference(name, image)
    return found
