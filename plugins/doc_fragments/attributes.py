# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the attributes of our doors mean; each door states its own C(support)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the plan of changes without making any.
  diff_mode:
    description: Returns what has changed, or would change, in diff mode. Secrets appear as fingerprints.
  idempotent:
    description: A second run with the same options changes nothing when the first one ended well.
  action_group:
    description: Takes its connection options from C(module_defaults) of this group.
    support: full
    membership:
      - knowngood.kube.kube
"""

    # A door that only reads.
    INFO = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the plan of changes without making any.
    support: full
    details:
      - Reads only, so check mode makes no difference.
  diff_mode:
    description: Returns what has changed, or would change, in diff mode. Secrets appear as fingerprints.
    support: N/A
    details:
      - Reads only.
  idempotent:
    description: A second run with the same options changes nothing when the first one ended well.
    support: full
    details:
      - Reads only.
  action_group:
    description: Takes its connection options from C(module_defaults) of this group.
    support: full
    membership:
      - knowngood.kube.kube
"""

    # A door with live lines (see plugins/action/).
    LIVE = r"""
attributes:
  live_progress:
    description: Shows lines of progress while it works.
    support: partial
    details:
      - Over the C(local) connection and without C(async). The variable C(knowngood_progress=false) switches it off.
"""
