"""What lies on disk, and how it gets there: nothing is ever half there, and no secret is open.

:data:`STORED_FILES` names every file that either side keeps. ``place`` is one of five folders: a
hospital's HOME (``site``), what its worker keeps (``state``: HOME/worker/state, in a simulation
RUN/state/<hospital>), the folder around a hospital's data (``data``), a coordinator's HOME
(``coordinator``), and a run (``run``: RUN of a simulation, HOME/runs/<name> of a coordinator).
"""

from __future__ import annotations

from dataclasses import dataclass

FILE = 0o600
"""Mode: for the owner only."""
SHARED = 0o666
"""Mode: for people, less what their umask takes away."""
ANY = None
"""Mode: whatever the program gives that writes it."""

CREATED = "written once, whole"
REPLACED = "replaced whole (files.replace)"
LOCKED = "changed under a lock, replaced whole (locked_json)"
LOG = "lines are added, each on disk before anything follows from it (append_log)"
FOLDER = "appears with its folder (atomic_folder)"
PLACE = "written over in place; can be worked out again"
PLAIN = "written plainly: a loss costs nothing"
OTHERS = "by another program"


@dataclass(frozen=True)
class StoredFile:
    """One kind of file.

    Attributes:
        place: the folder that ``path`` is relative to.
        path: ``*`` stands for one name, ``**`` at the end for all that lies below.
        by: who writes it.
        mode: its permissions.
        how: in which way.
        purpose: what it is for.
    """

    place: str
    path: str
    by: str
    mode: int | None
    how: str
    purpose: str


_SITE = (
    ("site.toml", "enrolment", FILE, REPLACED, "settings; written last"),
    ("policy.toml", "enrolment, then the hospital", FILE, REPLACED, "the hospital's own rules"),
    ("ca.crt", "enrolment", FILE, REPLACED, "the consortium's authority"),
    ("coordinator.crt", "enrolment", FILE, REPLACED, "certificate of the key that signs studies"),
    ("roster.crt", "enrolment", FILE, REPLACED, "certificate of the key that signs rosters"),
    ("enrolling.json", "enrolment", FILE, REPLACED, "there while an enrolment is unfinished"),
    ("gateway/tls.key", "enrolment", FILE, REPLACED, "key of the client certificate"),
    ("gateway/tls.crt", "enrolment", FILE, REPLACED, "client certificate"),
    ("gateway/node.key", "enrolment", FILE, REPLACED, "Flower's node key"),
    ("worker/identity.key", "enrolment", FILE, REPLACED, "key that speaks for the hospital"),
    ("worker/identity.crt", "enrolment", FILE, REPLACED, "certificate of that key"),
    ("worker/cache/**", "libraries in the worker", ANY, OTHERS, "compiled kernels and the like"),
    ("worker/tmp/**", "libraries in the worker", ANY, OTHERS, "gone at the next start"),
    ("logs/*/*.log", "gateway, worker", ANY, PLAIN, "for the hospital's IT; can name files"),
    ("run/worker.sock", "worker", ANY, PLAIN, "the inner wall's socket"),
    ("run/worker.lock", "worker", FILE, PLAIN, "one worker at a time (files.only_one)"),
)
_STATE = (
    ("journal.jsonl", "worker, administrator", FILE, LOG, "what was asked and what came of it"),
    ("journal.head", "worker, administrator", FILE, PLACE, "size and root of the audit log's tree"),
    ("opened.jsonl", "worker", FILE, LOG, "secure sums that it helped to open"),
    ("heads.jsonl", "worker", FILE, LOG, "heads of the audit log that it signed"),
    ("evidence.jsonl", "worker", FILE, LOG, "heads of others that contradict each other"),
    ("others.json", "worker", FILE, REPLACED, "the newest head of each other hospital"),
    ("roster.json", "worker", FILE, REPLACED, "the signed roster accepted last"),
    ("budget.json", "worker", FILE, LOCKED, "what left today"),
    ("approvals.json", "administrator", FILE, LOCKED, "studies that a person approved"),
    ("withdrawn.json", "administrator", FILE, LOCKED, "keyed digests of patients who withdrew"),
    ("stopped", "administrator", FILE, REPLACED, "there while the hospital answers nothing"),
    ("offers/*.json", "worker", FILE, REPLACED, "studies that wait for a person's approval"),
    ("moments-*.safetensors", "worker", FILE, REPLACED, "what an optimiser remembers"),
    ("sums.json", "simulation with Ray", FILE, REPLACED, "secure sums in progress"),
    ("site.log", "worker", FILE, PLAIN, "faults in full; never leaves the hospital"),
)
_DATA = (
    ("*.key", "ingest, deidentify", FILE, CREATED, "tells which case is whose; belongs elsewhere"),
    ("*.cases.jsonl", "ingest", FILE, LOG, "what was taken in, by pseudonym and original"),
    ("*.quarantine.csv", "ingest", FILE, REPLACED, "files that a person must look at, and why"),
    ("*.quarantine.jsonl", "deidentify", FILE, REPLACED, "the same of single DICOM files"),
    ("*.readiness.json", "ingest", FILE, REPLACED, "whether the data serve a study"),
    ("*.readiness.html", "ingest", FILE, REPLACED, "the same, for reading"),
    (
        "*/**",
        "ingest",
        ANY,
        REPLACED,
        "scans and tables without identifiers; the worker reads them",
    ),
)
_RUN = (
    ("study.toml", "server", SHARED, PLAIN, "the study as resolved"),
    ("order.json", "simulation", SHARED, PLAIN, "what was asked for; marks the folder as a run's"),
    ("rounds.jsonl", "server", SHARED, LOG, "one line a round"),
    ("audit/heads.jsonl", "server", SHARED, LOG, "heads of the hospitals' audit logs, by round"),
    ("model/weights.safetensors", "server", SHARED, FOLDER, "the model, as in its checkpoint"),
    ("model/model.json", "server", SHARED, FOLDER, "study, round, SHA-256 of the weights"),
    ("checkpoints/round-*/weights.safetensors", "server", SHARED, FOLDER, "the model"),
    ("checkpoints/round-*/memory.safetensors", "server", SHARED, FOLDER, "the strategy's"),
    ("checkpoints/round-*/state.json", "server", SHARED, FOLDER, "round, members, counters, heads"),
    ("checkpoints/round-*/manifest.json", "server", SHARED, FOLDER, "SHA-256 of the other three"),
    ("report.json", "server", SHARED, REPLACED, "results"),
    ("report.html", "server", SHARED, REPLACED, "results, for reading"),
    ("waiting", "server", SHARED, PLAIN, "whom a run waits for; there meanwhile"),
    ("state/.consortium/*", "simulation", FILE, CREATED, "a make-believe consortium"),
    ("state/.consortium/*/identity.key", "simulation", FILE, CREATED, "a hospital's key"),
    ("hospitals/**", "demo", ANY, PLAIN, "phantoms"),
)
_COORDINATOR = (
    ("consortium.toml", "provision", FILE, REPLACED, "settings"),
    ("*.crt", "provision", FILE, CREATED, "certificates of authority, server, coordinator, roster"),
    ("*.key", "provision", FILE, CREATED, "keys of authority, server, coordinator"),
    ("offline/roster.key", "provision", FILE, CREATED, "signs rosters; belongs elsewhere"),
    ("offline/roster.json", "roster sign", FILE, REPLACED, "the roster that was signed last"),
    ("superexec.secret", "provision", FILE, CREATED, "between SuperLink and the processes of runs"),
    ("sites.json", "provision, enrolment", FILE, LOCKED, "registry of hospitals"),
    ("sites.lock", "provision, enrolment", FILE, PLAIN, "lock of the registry and of the kits"),
    ("roster.json", "roster sign", FILE, REPLACED, "the signed roster"),
    ("kits/*.kit", "provision", FILE, CREATED, "what a hospital gets, packed"),
    ("kits/*/*", "provision", FILE, CREATED, "the same, unpacked; holds a token"),
    ("runs/*/order.json", "submission", FILE, CREATED, "what was asked for, with the signature"),
    ("runs/*/submitted.toml", "submission", FILE, CREATED, "the study as submitted"),
    ("runs/*/run.json", "submission", FILE, REPLACED, "Flower's number of the run"),
    ("runs/*/pid", "process of a run", SHARED, PLAIN, "there while it runs"),
    ("freight/**", "process of a run, hospitals", ANY, PLAIN, "vectors on their way"),
    ("logs/*.log", "host", ANY, PLAIN, "SuperLink, proxy, runs"),
    ("run/**", "host", ANY, PLAIN, "sockets, settings and temporary files of the proxy"),
    ("state.db*", "SuperLink", ANY, OTHERS, "Flower's own state"),
    ("flower/**", "SuperLink", ANY, OTHERS, "Flower's own settings"),
)
# Rows, so that a reader sees the table; tests/kept.py holds folders on disk against it.
_PLACES = {
    "site": _SITE,
    "state": _STATE,
    "data": _DATA,
    "run": _RUN,
    "coordinator": _COORDINATOR,
}

STORED_FILES = tuple(StoredFile(place, *row) for place, rows in _PLACES.items() for row in rows)
"""Every file that either side keeps."""
