# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of every door that reads or writes our ledger and journals (``_ansible/args.py``: ``COMMON_ARGS``)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state_namespace:
    description:
      - Namespace in which the collection keeps its ledger, journals and leases. It must exist.
      - Every module takes it, so that C(module_defaults) of the group apply; those that only look at the application do
        not look there.
      - Can also be set with the environment variable E(KNOWNGOOD_STATE_NAMESPACE).
    type: str
    default: knowngood
"""

    # For doors that change something and have an action plugin: what a user sees and can do while they run.
    LIVE = r"""
options: {}
notes:
  - While it works the module shows lines of progress when its connection is C(local). The variable
    C(knowngood_progress=false) switches them off.
  - SIGTERM, SIGINT and SIGHUP stop it between two steps; the message then says how to go on. Killed at any other
    moment, the same task started again goes on from what the cluster shows.
"""
