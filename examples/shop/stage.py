# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the story plays: the test cluster, or a cluster of the user's.

With ``USE_EXISTING_CLUSTER=true`` the cluster is that of ``KUBECONFIG``, and ``SHOP_IMAGES`` names a JSON file of image
references, each with its digest: ``{"db": REF, "web": REF, "probe": REF, "orders": {"a1": REF, "b2": REF, ...}}``.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from examples.shop import history
from examples.shop.story import ROOT, Images, Story


def existing() -> bool:
    return os.environ.get("USE_EXISTING_CLUSTER", "").lower() == "true"


def make_story(work: Path, say: Callable[[str], None] = print) -> Story:
    """A story on a cluster that is up; starts the test cluster where it is not."""
    if existing():
        return _on_existing(work, say)
    environment = test_cluster()
    return Story(
        work=work,
        kubeconfig=environment["KUBECONFIG"],
        kubectl="kubectl",
        images=test_images(environment),
        environment={"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"},
        say=say,
    )


def _on_existing(work: Path, say: Callable[[str], None]) -> Story:
    path = os.environ.get("SHOP_IMAGES", "")
    if not path or not os.environ.get("KUBECONFIG"):
        raise SystemExit(
            "with USE_EXISTING_CLUSTER=true set KUBECONFIG, and SHOP_IMAGES to a JSON file of image references"
        )
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    references = [told["db"], told["web"], told["probe"], *told["orders"].values()]
    without = [reference for reference in references if "@sha256:" not in reference]
    if without:
        raise SystemExit(f"{path}: these references have no digest: {', '.join(without)}")
    images = Images(told["db"], told["web"], told["probe"], told["orders"])
    return Story(
        work,
        os.environ["KUBECONFIG"],
        "kubectl",
        images,
        storage_class=os.environ.get("SHOP_STORAGE_CLASS", ""),
        say=say,
    )


def test_cluster() -> dict[str, str]:
    """Starts the test cluster where it is not up; its environment."""
    command = [sys.executable, "-m", "tests.cluster"]
    subprocess.run([*command, "up"], check=True, cwd=ROOT)
    shown = subprocess.run([*command, "env"], check=True, cwd=ROOT, text=True, capture_output=True).stdout
    environment = dict(os.environ)
    for line in shown.splitlines():
        name, dummy, value = line.removeprefix("export ").partition("=")
        environment[name] = "".join(shlex.split(value)).replace("$PATH", os.environ["PATH"])
    return environment


def test_images(environment: dict[str, str]) -> Images:
    """The work image for all, and one image a version of the orders API."""
    work, orders = environment["KNOWNGOOD_IMAGE_WORK"], {}
    with tempfile.TemporaryDirectory() as scratch:
        for version, text in history.sources().items():
            source = Path(scratch) / f"{version}.py"
            source.write_text(text, encoding="utf-8")
            command = [sys.executable, "-m", "tests.cluster", "image", "--name", "orders"]
            command += ["--add", f"{source}:/app/app.py", "--env", f"SHOP_VERSION={version}"]
            done = subprocess.run(command, check=True, cwd=ROOT, text=True, capture_output=True, env=environment)
            orders[version] = done.stdout.split()[-1]
    return Images(work, work, work, orders)
