# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.cluster build|up|down|status|env|image``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from .errors import ClusterError
from .instance import Instance
from .progress import say

try:
    from . import images, lifecycle, oci
except ClusterError as problem:
    sys.exit(f"{problem}")

_EXTRAS = ("certmanager", "gateway", "s3", "velero", "kwok", "sanity", "load")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="A real one-node Kubernetes cluster.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in {
        "build": "install packages, build programs and images",
        "up": "start the cluster and wait until it is ready",
        "down": "remove the cluster and everything it left",
        "status": "show the components; exits 0 when all run",
        "env": 'print shell exports: eval "$(python -m tests.cluster env)"',
        "image": "derive an image from a base image, import it, print how pods name it",
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--instance", type=int, default=None, metavar="N", help="1 to 15 (KNOWNGOOD_INSTANCE, 1)")
        if name in ("build", "up"):
            command.add_argument("--with", dest="extras", default="", metavar="A,B", help=",".join(_EXTRAS))
        if name == "up":
            command.add_argument(
                "--shared-storage", type=int, default=None, metavar="M", help="see the volumes of running instance M"
            )
        if name == "image":
            _image_options(command)
    return parser


def _image_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", required=True, help="the repository becomes rig.local/NAME")
    command.add_argument("--base", default="work")
    command.add_argument(
        "--add", action="append", default=[], metavar="SRC:DEST", help="a file and its path in the image"
    )
    command.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    command.add_argument("--env", action="append", default=[], metavar="KEY=VALUE")
    command.add_argument("--cmd", default="", help="default command, split as a shell would")
    command.add_argument("--user", default="")
    command.add_argument("--workdir", default="")


def _pairs(texts: list[str], mark: str) -> dict[str, str]:
    found = {}
    for text in texts:
        key, separator, value = text.partition(mark)
        if not separator:
            raise ClusterError(f"{text!r} is not of the form A{mark}B")
        found[key] = value
    return found


def _image(options: argparse.Namespace, instance: Instance) -> int:
    sources = {destination: Path(source) for source, destination in _pairs(options.add, ":").items()}
    for source in sources.values():
        if not source.is_file():
            raise ClusterError(f"{source}: no such file")
    changes = oci.Changes(
        env=_pairs(options.env, "="),
        cmd=tuple(shlex.split(options.cmd)),
        labels=_pairs(options.label, "="),
        user=options.user,
        workdir=options.workdir,
    )
    reference = images.build_image(
        instance,
        options.name,
        {destination: source.read_bytes() for destination, source in sources.items()},
        executable=[destination for destination, source in sources.items() if source.stat().st_mode & 0o100],
        base=options.base,
        changes=changes,
    )
    print(reference)
    return 0


def _status(instance: Instance) -> int:
    state = lifecycle.state_of(instance)
    codes = lifecycle.components(instance)
    for name, code in codes.items():
        print(f"{name:26} {'running' if code is None else f'exited {code}'}")
    print(f"instance {instance.number}, process 1 is {state.init.pid}, extras: {', '.join(state.extras) or 'none'}")
    return 1 if any(code is not None for code in codes.values()) else 0


def _env(instance: Instance) -> int:
    for name, value in lifecycle.environment(instance).items():
        print(f"export {name}={shlex.quote(value)}")
    if not lifecycle.existing_cluster():
        print(f'export PATH={shlex.quote(str(instance.bin))}:"$PATH"')
    return 0


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        instance = Instance.chosen() if options.instance is None else Instance(options.instance)
        if options.command == "env":
            return _env(instance)
        if lifecycle.existing_cluster():
            say("USE_EXISTING_CLUSTER=true: the cluster of KUBECONFIG is used, nothing is started or stopped")
            return 0
        if options.command == "status":
            return _status(instance)
        if options.command == "image":
            return _image(options, instance)
        if options.command == "down":
            lifecycle.down(instance)
            return 0
        extras = tuple(name for name in options.extras.split(",") if name)
        if options.command == "build":
            lifecycle.build(extras)
        else:
            storage = options.shared_storage
            lifecycle.up(instance, extras, None if storage is None else Instance(storage))
    except ClusterError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
