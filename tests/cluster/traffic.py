# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dropping traffic between pods with nftables, inside the cluster's network namespace.

What a network policy agent would enforce: this cluster has none, so a test can have both worlds.
"""

from __future__ import annotations

import ipaddress

TABLE = "knowngood_drop"


def script(destinations: list[str], sources: list[str] | None = None) -> str:
    """An nft script that drops forwarded packets to ``destinations`` (addresses), from ``sources`` where given.

    Two families: packets between pods of one bridge may pass it without being routed, packets to a Service are routed.
    Only this direction is dropped, of open connections too: what the destinations open to others still gets out.
    """
    for address in (*destinations, *(sources or [])):
        ipaddress.IPv4Address(address)
    match = f"ip daddr {{ {', '.join(destinations)} }}"
    if sources:
        match = f"ip saddr {{ {', '.join(sources)} }} {match}"
    chains = {"inet": match, "bridge": f"ether type ip {match}"}
    return "".join(_table(family, rule) for family, rule in chains.items())


def _table(family: str, rule: str) -> str:
    return f"""table {family} {TABLE} {{
    chain forward {{
        type filter hook forward priority -200; policy accept;
        {rule} drop
    }}
}}
"""


def removal() -> str:
    """Removes what :func:`script` made, whether it is there or not."""
    return "".join(f"table {family} {TABLE} {{}}\ndelete table {family} {TABLE}\n" for family in ("inet", "bridge"))
