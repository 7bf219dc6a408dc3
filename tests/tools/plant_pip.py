# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives ansible-test the pip it wants without its download site.

ansible-test fetches a bootstrap script for one certain version of pip from a site of its own. Behind a package mirror
that site cannot be reached; the package itself can. This writes, where ansible-test looks for the script before it
fetches it, one that installs from the wheel of that very version.

Run with the Python of the ansible-core to prepare; ``HOME`` is the home that ansible-test will see.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_test._internal import python_requirements

BOOTSTRAP = """\
import sys
sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main
wanted = [item for item in sys.argv[1:] if item not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--upgrade", "--force-reinstall", *wanted]))
"""


class _Python:
    version = ".".join(str(part) for part in sys.version_info[:2])


def main() -> None:
    version = python_requirements.get_venv_packages(_Python)["pip"]
    cache = Path.home() / ".ansible" / "test" / "cache"
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--dest", str(cache), f"pip=={version}"], check=True)
    wheel = cache / f"pip-{version}-py3-none-any.whl"
    script.write_text(BOOTSTRAP.format(wheel=str(wheel)), encoding="ascii")


main()
