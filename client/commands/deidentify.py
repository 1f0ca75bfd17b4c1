"""``consilium site deidentify``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable

from common.cli import console


def deidentify(given: Namespace) -> int:
    """De-identify a folder of DICOM files; 1 if nothing could be written."""
    from client.deidentify import folder  # noqa: PLC0415

    key, listed = (
        given.key or folder.beside(given.out, "key"),
        folder.beside(given.out, "quarantine.jsonl"),
    )
    with console.work():
        passed = folder.cleared(given.cleared) if given.cleared else frozenset()
        done = folder.run(given.folder, given.out, key, passed=passed, tell=_progress())
    some = done.written + done.there > 0
    kinds = {
        kind: sum(one.kind == kind for one in done.kept)
        for kind in ("look", "unusable", "conflict")
    }
    if given.json:
        found = {
            "ok": some,
            "folder": str(given.out),
            "written": done.written,
            "there": done.there,
            **kinds,
            "reasons": done.counts(),
        }
        console.out_json({**found, "key": str(key), "quarantine": str(listed)})
        return int(not some)
    console.out(
        f"{done.written} files written to {given.out}, {done.there} were there; {len(done.kept)} kept back"
    )
    for reason, count in sorted(done.counts().items(), key=lambda one: -one[1]):
        console.out(f"{count:6}  {reason}")
    console.out(f"the key is {key}: it leads back to patients, keep it here and to yourself")
    if done.kept:
        console.out(f"files that were kept back: {listed}")
    return int(not some)


def _progress() -> Callable[[int, int], None]:
    """A line on stderr at every tenth."""
    told = [0]

    def tell(done: int, total: int) -> None:
        if 10 * done // total > told[0]:
            told[0] = 10 * done // total
            console.note(f"{done} of {total} files looked at")

    return tell


COMMANDS: dict[str, Callable[[Namespace], int]] = {"consilium site deidentify": deidentify}
