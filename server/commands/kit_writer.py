"""A hospital's kit: what the coordinator hands over, as a folder or as one file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from common.storage import files
from common.study import toml
from common.trust.consortium import Consortium

_README = """\
# {site}: joining the consortium {consortium}

For the hospital's IT. This folder is the hospital's kit; `token` in it is a secret that is good \
once, until {expires}.

## What to install
- One Linux machine that can read the scans, with Python 3.11 or newer; a GPU where the study \
needs one.
- Consilium{version}, from your own package mirror or from the offline folder that the \
coordinator can give you.
  Nothing is installed or updated later by itself, and no code ever comes from the coordinator.

## How to join
    consilium site enrol KIT --home HOME --data DIR     # prints this hospital's fingerprint
    consilium site start --home HOME

`KIT` is this folder (or the one `.kit` file), `HOME` a new folder for keys and logs, `DIR` the \
folder with the scans; neither lies in the other.
The keys are made on your machine and never leave it; only their public parts are sent. Then \
delete the kit: its token is used up.
If `enrol` is interrupted, run the same command again. Then read the fingerprint to the \
coordinator by telephone; `consilium site fingerprint`
prints it again. Only hospitals whose fingerprint was compared are put on the signed roster, with \
which alone yours shares masks (`roster.crt` here).

## What to open
- Outbound: TCP to {address} port {port}, HTTPS with TLS {min_tls} or newer. Nothing else, and \
nothing inbound.
- A web proxy is taken from `HTTPS_PROXY` and `NO_PROXY`, or set as `proxy` in `kit.toml` before \
you enrol, later in `HOME/site.toml`; it must support CONNECT.
- A firewall that opens TLS must not do so for {address}: only the consortium's own authority \
(`ca.crt` here) is trusted.

## What leaves the hospital
- To enrol: the hospital's name, the token, three public keys.
- In a study: changes of the model's weights, counts of cases, scores, and the public sentences \
of errors. No image, label, file name or patient identifier.
- `HOME/policy.toml` holds your own rules about that, which no study can widen: as it is made, \
changes leave only under masks, inside a sum over hospitals.
- Two processes see to that: the gateway has the network and cannot read the scans; the worker \
reads the scans and has no network.

## How to stop
- `Ctrl-C`, or stop the service: nothing is lost, the other hospitals go on, and you can start \
again at any time.
- To leave for good, stop, delete `HOME`, and tell the coordinator, who then revokes the enrolment.
"""


def contents(
    consortium: Consortium,
    site: str,
    ca: bytes,
    coordinator: bytes,
    roster: bytes,
    token: str,
    expires: str,
) -> dict[str, bytes]:
    """The kit's files by name; ``expires`` is the token's last day."""
    about = {
        "site": site,
        "address": consortium.address,
        "port": consortium.port,
        "min_tls": consortium.min_tls,
    }
    table = {
        "name": site,
        "consortium": consortium.name,
        **{k: v for k, v in about.items() if k != "site"},
    }
    readme = _README.format(
        consortium=consortium.name, expires=expires, version=_version(), **about
    )
    return {
        "kit.toml": toml.dumps(
            table, {"": "Kit of one hospital; it is read by: consilium site enrol"}
        ).encode(),
        "ca.crt": ca,
        "coordinator.crt": coordinator,
        "roster.crt": roster,
        "token": f"{token}\n".encode(),
        "README.md": readme.encode(),
    }


def write(folder: Path, kit: Mapping[str, bytes], *, single_file: bool) -> None:
    """Write a kit as a new folder and, if asked, also as one file ``<folder>.kit`` beside it."""
    files.folder(folder)
    for name, content in kit.items():
        files.create(folder / name, content)
    if single_file:
        files.create(folder.with_name(f"{folder.name}.kit"), packed(kit))


def packed(kit: Mapping[str, bytes]) -> bytes:
    """The kit as one zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in kit.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = files.FILE << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _version() -> str:
    try:
        return f" {version('consilium')}, the coordinator's own version"
    except PackageNotFoundError:
        return ", in the coordinator's own version"
