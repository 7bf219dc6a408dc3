# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.knowngood.kube.plugins.plugin_utils._progress import ProgressAction


class ActionModule(ProgressAction):
    """Shows the module's progress while it works."""
