"""Attacks on numbers: a low threshold, too small a cohort, one hospital under two names."""

from __future__ import annotations

from client.secagg import membership
from common.secagg import participant
from common.secagg.terms import Limits
from common.trust import certificates
from common.trust import roster as rosters
from tests.redteam.attack import Attack, both, changed, replaced
from tests.redteam.drive import Puppet, Sum, exact, without
from tests.redteam.keys import UNSIGNED
from tests.redteam.stage import NOW, VICTIM, Stage, certificates_of, keys, roster, seed_of
from tests.redteam.two_lists import split

TWIN = "birch2"


def _colluder(name: str = "birch") -> Puppet:
    """A hospital in league with the server."""
    return Puppet(name, seed_of(keys()["birch"]))


def low_threshold(stage: Stage) -> bool:
    """Two of four signatures are enough for each of two lists.

    Both kinds of the victim's shares then come together.
    """
    held = Sum(stage, t=2).keys().deal().tally()
    return split(held) and exact(held.read())


def high_threshold(stage: Stage) -> bool:
    """A threshold above the number of hospitals."""
    return bool(Sum(stage, t=5).keys().adverts)


def two_hospitals(stage: Stage) -> bool:
    """A sum over two, of whom one is in league with the server: what remains is the other's."""
    held = Sum(stage, cohort=(VICTIM, "birch"), puppets=[_colluder()])
    return exact(held.keys().deal().tally(VICTIM).open([VICTIM, "birch"]))


def shrunken_survivors(stage: Stage) -> bool:
    """Four begin, and the server claims that all but the victim and a colluder have dropped out."""
    held = Sum(stage, puppets=[_colluder()]).keys().deal().tally()
    named = [VICTIM, "birch"]
    return held.confirm(VICTIM, named).survivors == tuple(named)


def listed_twice(stage: Stage) -> bool:
    """A colluder stands twice in the cohort, so that two look like three."""
    held = Sum(stage, cohort=(VICTIM, "birch", "birch"), puppets=[_colluder()])
    return exact(held.keys().deal().tally(VICTIM).open([VICTIM, "birch"]))


def two_names(stage: Stage) -> bool:
    """The coordinator was talked into signing one hospital's key under two names."""
    held = keys()
    request = certificates.request(TWIN, held["birch"].key)
    listed = certificates_of() | {
        TWIN: certificates.grant(held["ca"], request, TWIN, "identity", NOW, 365)
    }
    with_twin = Sum(
        stage,
        cohort=(VICTIM, "birch", TWIN),
        puppets=[_colluder(), _colluder(TWIN)],
        signed=roster(listed, version=2),
    )
    return exact(with_twin.keys().deal().tally(VICTIM).read())


def stranger(stage: Stage) -> bool:
    """Names in the cohort that the roster does not hold."""
    ghosts = [Puppet(name, bytes(range(i, i + 32))) for i, name in enumerate(("x", "y"))]
    return exact(
        Sum(stage, cohort=(VICTIM, "x", "y"), puppets=ghosts).keys().deal().tally(VICTIM).read()
    )


def without_it(stage: Stage) -> bool:
    """A cohort that does not name the hospital that is asked."""
    held = Sum(stage, cohort=without())
    held.real = [VICTIM]
    return bool(held.keys().adverts)


_ANY_COHORT = replaced(membership, "Limits", lambda *_: Limits(2, 0))
_ANY_THRESHOLD = changed(
    Limits, "check", ("if not lowest <= terms.threshold <= count:", "if False:")
)
_ANY_ORDER = changed(
    Limits, "check", ("if tuple(sorted(set(terms.cohort))) != terms.cohort:", "if False:")
)
_STRANGERS = both(
    changed(Limits, "check", ("if strangers:", "if False:")),
    changed(participant, "advertise", ("identities[name]", "identities.get(name)")),
    UNSIGNED,
)
_NOT_NAMED = changed(Limits, "check", ("if site not in terms.cohort:", "if False:"))
_TWINS = changed(rosters, "_check_sites", ("if other != name:", "if False:"))

ATTACKS = (
    Attack("low threshold: two of four", low_threshold, _ANY_THRESHOLD),
    Attack("threshold above the cohort", high_threshold, _ANY_THRESHOLD),
    Attack("shrunken cohort: two hospitals, one in league", two_hospitals, _ANY_COHORT),
    Attack(
        "shrunken survivors: two of four",
        shrunken_survivors,
        replaced(Limits, "least", lambda self, terms_: 2),
    ),
    Attack(
        "a hospital listed twice",
        listed_twice,
        both(_ANY_ORDER, replaced(Limits, "least", lambda self, terms_: 2)),
    ),
    Attack("two names, one key", two_names, _TWINS, "malicious server and one hospital"),
    Attack("strangers in the cohort", stranger, _STRANGERS),
    Attack("a cohort without the hospital itself", without_it, _NOT_NAMED),
)
