"""All attacks, theme by theme."""

from __future__ import annotations

from tests.redteam import (
    curious,
    keys,
    membership,
    numbers,
    orders,
    repetition,
    secrets_kept,
    strangers,
    taken_over,
    two_lists,
)
from tests.redteam.attack import Attack

ATTACKS: tuple[Attack, ...] = (
    *keys.ATTACKS,
    *numbers.ATTACKS,
    *two_lists.ATTACKS,
    *membership.ATTACKS,
    *repetition.ATTACKS,
    *orders.ATTACKS,
    *secrets_kept.ATTACKS,
    *curious.ATTACKS,
    *strangers.ATTACKS,
    *taken_over.ATTACKS,
)
