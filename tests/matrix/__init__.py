# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof that nothing is lost: modules are killed, and their API server and driver fail them, at every point.

``python -m tests.matrix`` runs all of it on the test cluster and prints the matrix; the integration tests run a sample.
"""
