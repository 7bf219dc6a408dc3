# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CWE numbers: reading them from text, and what each does to the data of an application that ran the code.

The table follows the consequences that MITRE's CWE entries list ("Modify ... Data", "Execute Unauthorized Code",
"Bypass Protection Mechanism", "Gain Privileges" taint; "Read Application Data" of credentials leaks; entries about
protection at rest or in transit weaken), judged for one question only: may the volumes that this code wrote hold data
an attacker chose? Where an entry has a harmless and a harmful variant (22 read or write, 79 reflected or stored) the
harmful one counts: caution is the default. A number that is not listed is ``unknown``, never harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._core.findings import Effect

_TAGGED = re.compile(r"(?:^|[^a-z0-9])cwe[-_ /:]?\s?0*([1-9]\d{0,5})(?!\d)", re.IGNORECASE)
_BARE = re.compile(r"\s*0*([1-9]\d{0,5})\s*")

_GROUPS: tuple[tuple[Effect, str], ...] = (
    # Injection and code execution: the attacker chooses what is run or written.
    (
        Effect.TAINTS,
        "20 74 75 76 77 78 79 80 83 87 88 89 90 91 93 94 95 96 97 98 99 113 116 117 138 149 150 184 426 427 428 434 "
        "436 444 470 471 472 494 502 506 507 510 511 512 564 611 624 643 644 652 707 829 830 913 914 915 917 943 1236 "
        "1321 1336 1427",
    ),
    # Files and links: writing outside the intended place.
    (Effect.TAINTS, "22 23 24 25 26 27 28 29 35 36 37 38 39 40 59 61 62 64 65 66 73 367 377 378 379 552 610 641 706"),
    # Memory: corrupted state may reach disk.
    (
        Effect.TAINTS,
        "118 119 120 121 122 123 124 126 129 131 134 170 190 191 193 195 196 197 242 415 416 466 467 468 469 587 590 "
        "628 676 680 681 690 704 761 762 763 781 785 786 787 788 805 806 822 823 824 825 843 908 909",
    ),
    # Who may do what: writes by somebody who must not.
    (
        Effect.TAINTS,
        "250 264 266 267 268 269 270 271 272 273 274 276 277 278 279 280 281 282 283 284 285 286 287 288 289 290 291 "
        "293 294 302 303 304 305 306 307 308 309 345 346 347 348 349 350 351 352 353 354 384 425 441 565 566 602 603 "
        "613 620 639 640 642 645 647 648 653 697 732 749 784 807 862 863 918 940 941 1275 1385 1390 1391",
    ),
    # Races and order: lost or doubled writes that an attacker can provoke.
    (Effect.TAINTS, "362 363 364 366 368 421 662 667 820 821 837 841"),
    # Secrets that others may know now: rotate.
    (
        Effect.LEAKS,
        "125 127 200 201 202 203 204 205 208 209 210 211 212 213 214 215 219 226 244 256 257 258 259 260 261 312 313 "
        "314 315 316 317 318 321 359 402 403 488 497 499 522 523 524 525 526 527 528 529 530 531 532 535 536 537 538 "
        "539 540 541 547 548 549 555 598 612 615 651 668 798 922 1230 1258 1392 1393 1394",
    ),
    # Protection at rest or on the wire: re-encrypt, renew.
    (
        Effect.WEAKENS,
        "5 295 296 297 298 299 311 319 320 322 323 324 325 326 327 328 329 330 331 332 333 334 335 336 337 338 339 340 "
        "341 342 343 344 370 521 599 614 757 759 760 780 916 1004 1204 1240 1241",
    ),
    # Availability and quality: nothing in the data changes because of them.
    (
        Effect.NONE,
        "185 369 388 389 390 391 392 394 396 397 398 400 401 404 405 407 409 410 459 474 476 477 478 480 481 482 483 "
        "484 546 561 563 570 571 572 573 581 585 617 664 674 703 710 730 754 755 770 771 772 775 776 789 833 834 835 "
        "1041 1050 1071 1126 1164 1333",
    ),
)


def _table() -> dict[int, Effect]:
    """The first group that names a number decides; the groups stand in the order of harm."""
    table: dict[int, Effect] = {}
    for effect, numbers in _GROUPS:
        for number in numbers.split():
            table.setdefault(int(number), effect)
    return table


_EFFECTS = _table()
_ORDER = list(Effect)


def numbers_in(text: str) -> list[int]:
    """The CWE numbers that a text names ("external/cwe/cwe-079", "CWE-89: Improper ..."), without leading zeros."""
    return [int(found) for found in _TAGGED.findall(text)]


def number_of(value: object) -> list[int]:
    """The numbers of a field that is known to hold CWEs: 89, "89", "CWE-089", "CWE-79, CWE-89", or a list of such."""
    if isinstance(value, bool):
        return []
    if isinstance(value, int):
        return [value] if 0 < value < 1_000_000 else []
    if isinstance(value, str):
        bare = _BARE.fullmatch(value)
        return [int(bare.group(1))] if bare else numbers_in(value)
    if isinstance(value, (list, tuple)):
        return [number for entry in value if not isinstance(entry, (list, tuple)) for number in number_of(entry)]
    if isinstance(value, dict):
        return number_of(value.get("id"))
    return []


def effect_of(names: Iterable[str]) -> tuple[Effect, str | None]:
    """The worst effect of some "CWE-n" names and the name that decides it; unknown without any."""
    worst, decided = None, None
    for name in names:
        effect = _EFFECTS.get(int(name[4:]), Effect.UNKNOWN)
        if worst is None or _ORDER.index(effect) < _ORDER.index(worst):
            worst, decided = effect, name
    return (worst, decided) if worst is not None else (Effect.UNKNOWN, None)
