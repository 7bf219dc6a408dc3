# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run with sarif-tools' own Python: reads the paths that stand on its input, writes one JSON line of answer for each.

The rows are those that its commands print: tool, severity, code, description, location and line.
"""

import json
import sys

from sarif import loader


def answer(path):
    try:
        records = loader.load_sarif_file(path).get_records()
    except BaseException as error:
        return {"refused": f"{type(error).__name__}: {error}"[:200]}
    rows = [
        {
            "rule": record["Code"],
            "level": record["Severity"],
            "path": record["Location"],
            "line": record["Line"],
            "message": record["Description"],
        }
        for record in records
    ]
    return {"rows": rows}


for line in sys.stdin:
    print(json.dumps(answer(line.rstrip("\n"))), flush=True)
