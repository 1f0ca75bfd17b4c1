"""``python -m tests.redteam [WORDS ...]``.

Every attack, or those whose names hold one of the words; one JSON object a line.
"""

from __future__ import annotations

import sys

from tests.redteam import attack, suite


def main(words: list[str]) -> int:
    """Play attacks; 1 if one did not end as it must, 2 if there is none with such a name."""
    chosen = [one for one in suite.ATTACKS if not words or any(word in one.name for word in words)]
    if not chosen:
        sys.stderr.write(
            f"No attack is called {' or '.join(words)}; there are: "
            f"{', '.join(one.name for one in suite.ATTACKS)}.\n"
        )
        return 2
    failed = 0
    for one in chosen:
        verdict = attack.judge(one)
        sys.stdout.write(verdict.line() + "\n")
        sys.stdout.flush()
        failed += not verdict.ok
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
