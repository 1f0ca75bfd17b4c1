"""Sentences on a hospital's own rules, its outbox, its processes and its computer."""

from __future__ import annotations

from collections.abc import Mapping

from common.sentences.kinds import COUNT, NUMBER, SETTING, SPANS, WHOLE, WORD, Entry, literal, row

_NOT_LEFT = "nothing of it has left"
_IT = "its IT must look"
_MACHINES = literal("x86_64", "aarch64", other="this kind of machine")

HOSPITAL: Mapping[str, Entry] = {
    "policy.refused": row("This hospital's policy forbids it; its own log says which rule."),
    "policy.stopped": row(
        "This hospital has stopped taking part; its people decide when it answers again."
    ),
    "policy.training": row(
        "This hospital's policy (training) lets models be scored here, not trained."
    ),
    "policy.hours": row(
        "This hospital's policy (hours) answers at {hours} by its own clock; ask again then.",
        hours=SPANS,
    ),
    "policy.coordinators": row(
        "The study is signed with a key that this hospital's policy (coordinators) does not list."
    ),
    "policy.plain_updates": row(
        "The study has secure_aggregation.enabled = false; this hospital's policy (plain_updates)"
        " allows masked updates only. "
        "Switch secure aggregation on."
    ),
    "policy.max_rounds": row(
        "The study has {rounds} rounds; this hospital's policy (max_rounds) allows {allowed}.",
        rounds=WHOLE,
        allowed=WHOLE,
    ),
    "policy.largest_change": row(
        "federation.largest_change is {asked}; this hospital's policy allows {allowed}.",
        asked=NUMBER,
        allowed=NUMBER,
    ),
    "policy.layouts": row(
        "The network's layout is not among those that this hospital's policy (layouts) allows."
    ),
    "policy.min_noise": row(
        (
            "The study adds no noise; this hospital's policy (min_noise) asks for a multiplier of"
            " {asked}."
        ),
        asked=NUMBER,
    ),
    "policy.name": row(
        (
            "The {part} is '{name}', which this hospital's policy ({rule}) does not list; its"
            " people say what it lists."
        ),
        part=literal("study", "task", "network"),
        name=WORD,
        rule=SETTING,
    ),
    "policy.floor": row(
        "Without secure aggregation numbers over fewer than {floor} patients of this hospital"
        " would leave; "
        "its policy (floor) forbids it. Switch secure aggregation on.",
        floor=WHOLE,
    ),
    "policy.rounds_a_day": row(
        (
            "This hospital's policy (rounds_per_day) allows {allowed} rounds a day; they are done."
            " Ask again tomorrow."
        ),
        allowed=WHOLE,
    ),
    "policy.megabytes_a_day": row(
        (
            "This hospital's policy (megabytes_per_day) lets {allowed} MB leave in a day; they"
            " have. Ask again tomorrow."
        ),
        allowed=NUMBER,
    ),
    "policy.budget_unreadable": row(
        f"The record of what left this hospital today cannot be read; {_IT}."
    ),
    "policy.approvals_unreadable": row(
        f"The list of approved studies cannot be read; the hospital's {_IT.removeprefix('its ')}."
    ),
    "policy.withdrawals_unreadable": row(
        f"The list of withdrawn patients cannot be read; the hospital's {_IT.removeprefix('its ')}."
    ),
    "approval.missing": row(
        "This hospital has not approved the study yet; it waits there for a person (consilium site"
        " approve)."
    ),
    "approval.scoring_only": row(
        "This hospital has approved the study for scoring models only; it sends no update."
    ),
    "approval.withdrawn": row(
        "This hospital's approval of the study was withdrawn; ask its people to approve it again."
    ),
    "approval.ended": row(
        "This hospital's approval of the study has ended; ask its people to approve it again."
    ),
    "outbox.refused": row(f"An answer holds what may not leave; {_NOT_LEFT}."),
    "outbox.question": row(f"An answer is not to the question that was asked; {_NOT_LEFT}."),
    "outbox.value": row(f"An answer holds a value that has no leave to go; {_NOT_LEFT}."),
    "outbox.message": row(
        f"An answer holds a message that its question does not call for; {_NOT_LEFT}."
    ),
    "outbox.name": row(f"An answer holds a message in another's name; {_NOT_LEFT}."),
    "outbox.vector_form": row(f"A vector has another form than the model's; {_NOT_LEFT}."),
    "outbox.vector": row(f"A vector is not the one that was masked; {_NOT_LEFT}."),
    "outbox.unmasked": row(f"A vector would leave without masks; {_NOT_LEFT}."),
    "outbox.update_form": row(f"An update has another form than the model's vector; {_NOT_LEFT}."),
    "outbox.not_finite": row(
        f"An update holds NaN or infinity; {_NOT_LEFT}. Lower the learning rate."
    ),
    "outbox.too_large": row(
        f"An update is larger than this hospital's policy allows; {_NOT_LEFT}."
    ),
    "record.unwritable": row("The hospital's audit log cannot be written; its disk may be full."),
    "record.entry": row(
        "An entry has a field or a value that this hospital's record does not take; nothing was"
        " written."
    ),
    "training.not_finite": row(
        "The training loss became NaN or infinite; lower training.learning_rate."
    ),
    "training.parts": row(
        "GPU memory was full: each batch of {images} is now computed in {parts} parts.",
        "GPU memory was full: each batch is now computed in parts.",
        images=COUNT,
        parts=COUNT,
    ),
    "compute.gpu": row("GPU: mixed precision and channels-last"),
    "compute.study": row("set by the study"),
    "compute.measured": row(
        (
            "measured here: speed of bf16 against float32: {contiguous} x contiguous,"
            " {channels_last} x channels-last"
        ),
        contiguous=NUMBER,
        channels_last=NUMBER,
    ),
    "site.setup": row("The hospital's own set-up does not allow it; its own log says why."),
    "failure.failed": row("The hospital's work failed; its own log says why."),
    "failure.unexpected": row(
        "The hospital's work failed ({kind}); its own log says why.",
        kind=literal(
            "ArithmeticError",
            "KeyError",
            "MemoryError",
            "OSError",
            "RuntimeError",
            "TypeError",
            "ValueError",
            other="another error",
        ),
    ),
    "worker.failed": row("The hospital's worker failed; its own log says why."),
    "worker.died": row("The hospital's worker stopped during the answer; its own log says why."),
    "worker.absent": row("The hospital's worker is not running."),
    "worker.broken": row("The hospital's worker sent a broken answer."),
    "worker.too_long": row(
        "A message is longer than the hospital's processes pass on to each other."
    ),
    "worker.late": row(
        "The hospital's worker has not answered within {seconds} s.", seconds=NUMBER
    ),
    "worker.refused": row("The hospital's worker refused a broken message; its own log says why."),
    "worker.busy": row(
        "The hospital's worker has too many questions waiting, or a frame was too large."
    ),
    "worker.no_folder": row(
        "The folder of the worker's socket is missing; start the worker first."
    ),
    "worker.no_entry": row("The gateway may not enter the folder of the worker's socket."),
    "worker.path": row(
        (
            "The path of the worker's socket has {bytes} bytes; at most {allowed} are allowed; use"
            " a shorter folder."
        ),
        bytes=WHOLE,
        allowed=WHOLE,
    ),
    "worker.make_folder": row("The folder of the worker's socket is missing; make it first."),
    "worker.unwritable": row("The folder of the worker's socket cannot be written to."),
    "worker.another": row(
        "Another worker already listens at this hospital's socket; stop it first."
    ),
    "worker.no_socket": row("The worker's socket cannot be made."),
    "worker.group": row("The worker's socket cannot be given to its folder's group."),
    "coordinator.message": row(
        "The coordinator refuses a message (status {status}); its log says why.", status=WHOLE
    ),
    "coordinator.hospital": row(
        (
            "The coordinator refuses this hospital (status {status}); ask it whether the enrolment"
            " was revoked, and check this machine's clock."
        ),
        status=WHOLE,
    ),
    "coordinator.node_key": row(
        "The file of the node key does not hold one; enrol again in a new folder."
    ),
    "coordinator.run_over": row("The run has ended at the coordinator; its question is dropped."),
    "coordinator.stopping": row("This hospital stops."),
    "wall.network": row(
        "The wall against the network does not hold: a call that it must refuse went through."
    ),
    "wall.no_landlock": row(
        "This kernel offers no Landlock (Linux 5.13, enabled); walls between files are not"
        " possible here."
    ),
    "wall.threads": row(
        "Walls between files were to be raised after other threads had been started; raise them"
        " first."
    ),
    "wall.files": row(
        "The wall between files does not hold: a closed folder could be opened, or a link be made."
    ),
    "wall.machine": row(
        (
            "Walls against the network are not possible on {machine}; they need 64-bit Linux on"
            " x86_64 or aarch64."
        ),
        machine=_MACHINES,
    ),
    "wall.privileges": row("This kernel refuses no_new_privs (error {number}).", number=WHOLE),
    "wall.refused": row(
        "This kernel refuses a wall (error {number}); a wall is missing.", number=WHOLE
    ),
    "wall.overlap": row("A folder that is only to be read lies in one that may be written to."),
}
