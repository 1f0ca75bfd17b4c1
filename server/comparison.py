"""Models to compare the federated one with: each hospital alone, and all data together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from common import networks
from common.errors import ArgumentError
from common.update import Vector
from server import rounds
from server.evaluate import Scores
from server.participants import Member
from server.session import Session


def compare(session: Session) -> None:
    """Each hospital alone, and all data together, by the federation's own recipe.

    Each model sees as many images as the federated one.

    Raises:
        ArgumentError: a hospital's data cannot be used in this way here.
    """
    private = [m.site for m in session.roster.members if not (m.counts and m.tells_metrics)]
    if session.request.compare and private:
        raise ArgumentError(
            "--compare needs every hospital's counts and metrics; "
            f"the policy of {', '.join(private)} keeps them."
        )
    if "local" in session.request.compare:
        for member in session.roster.trainers:
            session.local_models[member.site] = _trained(
                session, [member], f"{member.site} alone", 1
            )
        session.scores["local"] = _at_home(session)
    if "pooled" in session.request.compare:
        if session.roster.pooled is None:
            raise ArgumentError(
                "--compare pooled needs all hospitals' folders on one machine; "
                "it works in simulation only."
            )
        model = _trained(session, [session.roster.pooled], "pooled", len(session.roster.trainers))
        session.scores["pooled"] = session.score_finally(model)


def _trained(session: Session, members: Sequence[Member], name: str, repeat: int) -> Vector:
    """A model for comparison; one "hospital" alone has nobody to hide among."""
    alone = replace(session.study.federation, min_sites=1, fraction=1.0)
    study = replace(
        session.study,
        federation=alone,
        secure_aggregation=replace(session.study.secure_aggregation, enabled=False),
    )
    federation = replace(session.federation(members, repeat), study=study)
    watch = session.reporter.phase(name, study.federation.rounds)
    for record in rounds.run(federation, session.transport, lambda number, site, done, of: None):
        watch(f"loss {record.mean_loss or 0.0:.4f}", 0, 0)
    return federation.model


def _at_home(session: Session) -> Scores:
    """Local models at home.

    The full matrix (model of A on hospital B) goes into ``session.cross``.
    """
    local = Scores()
    members = session.roster.members
    key = networks.task(session.study).primary
    values = []
    for site, model in session.local_models.items():
        scores = session.score_finally(model)
        values.append([scores.sites.get(m.site, {}).get(key) for m in members])
        for part in ("sites", "intervals"):
            if site in getattr(scores, part):
                getattr(local, part)[site] = getattr(scores, part)[site]
    federated = session.scores["federated"].sites
    values.append([federated.get(m.site, {}).get(key) for m in members])
    session.cross = {
        "metric": key,
        "models": [*session.local_models, "federated"],
        "sites": [m.site for m in members],
        "values": values,
    }
    return local
