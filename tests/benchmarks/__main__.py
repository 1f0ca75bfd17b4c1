"""``python -m tests.benchmarks [NAME ...]``.

Every file here without a leading underscore that has ``run`` is a benchmark.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.benchmarks


def main(chosen: list[str]) -> int:
    """Run the named benchmarks, or all; 1 if a goal is missed, 2 for an unknown name."""
    names = [
        m.name
        for m in pkgutil.iter_modules(tests.benchmarks.__path__)
        if not m.name.startswith("_")
    ]
    modules = {name: importlib.import_module(f"tests.benchmarks.{name}") for name in names}
    runnable = {name: module.run for name, module in modules.items() if hasattr(module, "run")}
    for name in chosen:
        if name not in runnable:
            sys.stderr.write(
                f"No benchmark is called {name!r}; there are: {', '.join(runnable)}.\n"
            )
            return 2
    missed = 0
    for name in chosen or runnable:
        for result in runnable[name]():
            sys.stdout.write(result.line() + "\n")
            sys.stdout.flush()
            missed += not result.ok
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
