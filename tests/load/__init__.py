# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof on the wire: certificates are rotated under clients that never stop connecting, and every failure is counted.

``python -m tests.load`` runs all of it on the test cluster and prints the table; the integration tests run a sample.
"""
