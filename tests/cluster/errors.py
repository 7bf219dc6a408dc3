# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stops the test cluster, each cause with an exit code of its own."""

from __future__ import annotations


class ClusterError(Exception):
    """One clear sentence; ``exit_code`` is what the command line exits with."""

    exit_code = 1


class NotRoot(ClusterError):
    exit_code = 10


class NoGo(ClusterError):
    exit_code = 11


class MissingPackages(ClusterError):
    exit_code = 12


class BuildFailed(ClusterError):
    exit_code = 13


class StartFailed(ClusterError):
    exit_code = 14


class NotUp(ClusterError):
    exit_code = 15
