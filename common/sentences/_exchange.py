"""Sentences on what the two sides exchange: messages, signatures, rosters, secure sums, studies."""

from __future__ import annotations

from collections.abc import Mapping

from common.sentences.kinds import HOSPITAL, NUMBER, SETTING, WHOLE, Entry, literal, row, several

_FIELDS = literal(
    "kind",
    "round",
    "part",
    "model",
    "layout",
    "size",
    "ring_bits",
    "fraction_bits",
    "limit",
    "lanes",
    "total",
    other="another field",
)
_KINDS = literal("train", "evaluate", "tally", other="another question")
_PROPOSED = "A secure sum over {hospitals} hospitals is proposed"

EXCHANGE: Mapping[str, Entry] = {
    "message.unknown": row(
        "The hospital gives a reason that this side does not know; install the same release on"
        " both sides."
    ),
    "message.broken": row("A message breaks the protocol; the hospital's own log says how."),
    "message.version": row(
        (
            "A message has another protocol version than {version}, which this side speaks;"
            " install the same release on both sides."
        ),
        version=WHOLE,
    ),
    "message.kind": row(
        "A message asks a question that is not known here; install the same release on both sides."
    ),
    "message.layout": row(
        (
            "The message's model is of another layout than the study's network, which has"
            " {weights} weights."
        ),
        weights=NUMBER,
    ),
    "message.part": row(
        "A message asks to evaluate an unknown part; allowed: train, validation, test, all."
    ),
    "message.setting": row(
        "A message's {name} is no whole number from 1 to 100000.", name=literal("repeat")
    ),
    "message.scoring_only": row(
        "A question asks for training after this hospital was asked to join for scoring only; ask"
        " it to join anew."
    ),
    "signature.refused": row(
        "What the coordinator is said to have signed is refused; the hospital's own log says why."
    ),
    "signature.unsigned": row("The study is not signed: a statement and a signature are expected."),
    "signature.consortium": row("The study is signed for another consortium than this hospital's."),
    "signature.another_study": row(
        "The signature is that of another study; the one that came was changed after it was signed."
    ),
    "signature.future": row(
        "The study was signed in the future; check the clocks of this machine and of the"
        " coordinator."
    ),
    "signature.expired": row(
        "The study's signature has expired; the coordinator must submit it again."
    ),
    "signature.key": row(
        "The study is not signed by the coordinator's key; it was changed on the way or comes from"
        " somebody else."
    ),
    "signature.certificate": row(
        "The coordinator's certificate is refused; the hospital's own log says why."
    ),
    "roster.unsigned": row("The roster is not signed: a roster and a signature are expected."),
    "roster.key": row(
        "The roster is not signed by the consortium's roster key; it was changed or comes from"
        " somebody else."
    ),
    "roster.consortium": row("The roster is that of another consortium than this hospital's."),
    "roster.older": row(
        (
            "The roster has version {version}, and version {kept} was seen before; an older one is"
            " refused, the coordinator must give the newest."
        ),
        version=WHOLE,
        kept=WHOLE,
    ),
    "roster.two": row(
        (
            "There are two different rosters of version {version}; the coordinator must sign a"
            " newer one."
        ),
        version=WHOLE,
    ),
    "roster.certificate": row(
        "The roster holds a certificate that is refused; the hospital's own log says which."
    ),
    "certificate.refused": row("A certificate or key is refused; the hospital's own log says why."),
    "sum.refused": row(
        "A step of a secure sum is refused; the hospital's own log says why, and nothing was"
        " revealed."
    ),
    "sum.round": row(
        "Round {round} is asked for; the study has rounds 1 to {rounds}.", round=WHOLE, rounds=WHOLE
    ),
    "sum.scored_round": row(
        "Scores for round {round} are asked for; the study has {rounds} rounds.",
        round=WHOLE,
        rounds=WHOLE,
    ),
    "sum.repeat": row(
        "A question asks for more training than the signed study; in a secure sum all hospitals"
        " train alike."
    ),
    "sum.metrics_kept": row(
        "This hospital's policy (share_metrics) keeps its own metrics; they can be asked for under"
        " masks only."
    ),
    "sum.no_identity": row(
        "This hospital has no identity for secure sums; a simulation makes one where the study"
        " asks for them."
    ),
    "sum.no_roster": row(
        "This hospital has no signed roster yet; the first question of a secure sum must bring it."
    ),
    "sum.run": row(
        "The terms of a secure sum name another consortium or run than the signed study."
    ),
    "sum.roster": row(
        "The terms of a secure sum are not about the signed roster that this hospital has."
    ),
    "sum.number": row(
        "A secure sum has the number {number}, which was used before; numbers rise.", number=WHOLE
    ),
    "sum.order": row(
        "The specification of a secure sum differs from the signed study's in {fields}.",
        fields=several(_FIELDS),
    ),
    "sum.messages": row(
        "A question in a secure sum has {messages} messages of kind {kind}; 1 is expected.",
        messages=WHOLE,
        kind=literal("SumSpec", "Bundle"),
    ),
    "sum.model": row("The model is not the one that the last secure sum is said to have led to."),
    "sum.unknown": row(
        "This hospital is in no such secure sum; if its worker was started anew, it takes part"
        " again in the next one."
    ),
    "sum.opened": row(
        "A secure sum for {kind} in round {round} was opened before; a second one is refused.",
        kind=_KINDS,
        round=WHOLE,
    ),
    "sum.opened_otherwise": row(
        "In an earlier run of this study a secure sum for {kind} in round {round} was opened over"
        " other hospitals; "
        "the two would differ by single ones. Give the study another seed.",
        kind=_KINDS,
        round=WHOLE,
    ),
    "sum.unwritable": row(
        "This hospital cannot write down which sums it opens; its disk may be full."
    ),
    "sum.record_damaged": row(
        "The list of opened sums at this hospital is damaged; its IT must look at"
        " worker/state/opened.jsonl."
    ),
    "sum.stranger": row(
        "The cohort of a secure sum names a hospital that the signed roster does not hold as valid."
    ),
    "sum.too_many": row(f"{_PROPOSED}; at most {{most}} are allowed.", hospitals=WHOLE, most=WHOLE),
    "sum.not_in_cohort": row("The cohort of a secure sum does not name this hospital."),
    "sum.too_few": row(
        f"{_PROPOSED}; this hospital's policy asks for {{least}}.", hospitals=WHOLE, least=WHOLE
    ),
    "sum.threshold": row(
        "A secure sum over {hospitals} hospitals has the threshold {threshold}; "
        "{least} to {hospitals} is allowed by this hospital's policy.",
        hospitals=WHOLE,
        threshold=WHOLE,
        least=WHOLE,
    ),
    "sum.left": row(
        "{hospitals} hospitals {what}; {least} are needed.",
        hospitals=WHOLE,
        what=literal(
            "sent keys", "dealt shares", "sent vectors", "confirm the survivors", other="are left"
        ),
        least=WHOLE,
    ),
    "sum.lists": row(
        "The server's list of keys or shares lacks this hospital's own or changed it."
    ),
    "sum.survivors": row(
        "The server names other survivors than those that sent this hospital what a sum needs."
    ),
    "sum.confirmed": row(
        (
            "'{hospital}' has confirmed other survivors, keys or another specification than this"
            " hospital."
        ),
        hospital=HOSPITAL,
    ),
    "sum.sealed": row("The sealed shares of '{hospital}' do not open.", hospital=HOSPITAL),
    "sum.shares": row(
        "The shares that '{hospital}' dealt are not those that it vouched for.", hospital=HOSPITAL
    ),
    "sum.canaries": row(
        "The canaries of a secure sum are wrong: what the server computed is not the survivors'"
        " sum."
    ),
    "sum.limit": row(
        "Values up to {limit} do not fit the words of the sum; lower federation.largest_change.",
        limit=NUMBER,
    ),
    "sum.not_finite": row(
        (
            "A value of the update is NaN or infinite; at most {limit} is allowed, so nothing of"
            " it is sent."
        ),
        limit=NUMBER,
    ),
    "sum.too_large": row(
        "A value of the update is too large; at most {limit} is allowed, so nothing of it is sent.",
        limit=NUMBER,
    ),
    "study.invalid": row(
        "The study breaks this hospital's rules for a study; the hospital's own log says where."
    ),
    "study.setting": row(
        (
            "The study's {setting} is not as this hospital's release allows; consilium study check"
            " says why."
        ),
        setting=SETTING,
    ),
}
