"""How often Python looks for garbage in cycles: seldom.

Folding replaces a machine's small objects without making cycles, so reference counts free them at
once; Python's own thresholds count these replacements and spend a fifth of a fold's time on walking
through states that are alive.
"""

import gc

_YOUNG = 50_000
"""Containers made and not freed before the young ones are looked at: about 10 MB. Python's own: 2,000."""
_MIDDLE = 20
_OLD = 100


def collect_seldom() -> None:
    """For a process that folds: call it once."""
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
