"""``consilium site enrol``: make the hospital's keys, have them certified, lay out HOME.

Only the public parts of the keys are sent. Interrupted at any point, it can be run again: keys lie
in their final place from the start, the coordinator gives the same answer to the same keys, and
``enrolling.json`` says until the end that the folder is unfinished.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from client.commands import kit_reader
from client.commands.kit_reader import Kit
from client.gateway import connection
from client.home import SiteHome
from client.policy import policy
from client.site_settings import KitSettings, SiteSettings, settings
from common.errors import CertificateError, ConsiliumError, InputError
from common.storage import files
from common.study import config
from common.study.config import shown
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.certificates import Kind

PATH = "/v1/enrol"
_LARGEST_ANSWER = 64 << 10
"""Bytes; two certificates have about 2 KiB."""


def enrol(
    kit_path: Path,
    home: Path,
    data: Path,
    now: datetime,
    proxy: str | None = None,
    device: str = "auto",
    walls: str = "required",
) -> list[str]:
    """Enrol this hospital.

    Args:
        kit_path: the kit's folder or .kit file.
        home: a new or empty folder, or one where an enrolment with the same kit was interrupted.
        data: folder with the scans.
        now: UTC.
        proxy: as in site.toml; None leaves what the kit says.
        device: as in site.toml.
        walls: as in site.toml.

    Returns:
        Lines that say what was made and what to do next.

    Raises:
        InputError: the kit or a folder cannot be used, the coordinator refuses the kit.
        CertificateError: the kit's or the coordinator's certificates cannot be used.
        ConsiliumError: HOME cannot be written, the coordinator cannot be reached or fails.
    """
    kit = kit_reader.read(kit_path, now)
    route = kit.settings if proxy is None else replace(kit.settings, proxy=proxy)
    data = _data(data, home)
    home = home.absolute()
    values = {**config.to_table(route), "data": str(data), "device": device, "walls": walls}
    site = settings(SiteSettings, values, "site")
    try:
        place = _begin(SiteHome(home), kit)
        keys = _keys(place)
        tls, identity = _certified(kit, route, keys, now)
        _finish(place, kit, site, tls=tls, identity=identity)
    except OSError as error:
        raise ConsiliumError(
            f"{home} cannot be written ({error.strerror or error}); mend that and run the same"
            " command again."
        ) from None
    return _next_steps(site, place, kit_path, tls=tls, identity=identity)


def _next_steps(
    site: SiteSettings, home: SiteHome, kit_path: Path, tls: bytes, identity: bytes
) -> list[str]:
    until = certificates.details(tls)["not_after"]
    fingerprint = rosters.fingerprint(identity)
    membership = f"{site.name} belongs to consortium {site.consortium} now"
    return [
        f"{membership}; its certificate is good until {until:%Y-%m-%d}.",
        f"The keys were made in {home.path} and stay there; only their public parts were sent.",
        (
            f"Fingerprint of this hospital's key: {fingerprint};"
            " read it to the coordinator by phone."
        ),
        f"What leaves this hospital, and how, is ruled by {home.policy_toml}; look at it now.",
        f"Delete the kit {kit_path}: its token is used up.",
        f"Next: consilium site start --home {home.path}",
    ]


def _data(data: Path, home: Path) -> Path:
    if not data.is_dir():
        raise InputError(f"The data folder {data} does not exist; give the folder with the scans.")
    if not os.access(data, os.R_OK | os.X_OK):
        raise InputError(
            f"The data folder {data} cannot be read by this user; allow it to read there."
        )
    scans = data.resolve()
    keys = home.resolve()
    if scans.is_relative_to(keys) or keys.is_relative_to(scans):
        raise InputError(
            f"The data folder {data} and HOME {home} lie within each other; keep keys and scans"
            " in separate folders."
        )
    return scans


def _begin(home: SiteHome, kit: Kit) -> SiteHome:
    """An empty HOME marked as unfinished, or one that bears the mark of this kit's hospital."""
    mark = {"name": kit.settings.name, "consortium": hashlib.sha256(kit.ca).hexdigest()}
    if home.path.exists() and not home.path.is_dir():
        raise InputError(f"HOME {home.path} is a file; give a new folder.")
    if not home.path.absolute().parent.is_dir():
        raise InputError(f"The folder {home.path.parent} does not exist; make it first.")
    if home.path.exists() and any(home.path.iterdir()):
        _check_mark(home, mark)
        for draft in home.path.rglob(".*"):  # left by a process that was killed while writing
            draft.unlink()
    else:
        files.folder(home.path).chmod(files.FOLDER)
        files.replace(home.enrolling, json.dumps(mark).encode())
    for part in (home.gateway, home.worker, home.state, home.run, home.logs, *home.log_folders):
        files.folder(part)
    return home


def _check_mark(home: SiteHome, mark: dict[str, str]) -> None:
    try:
        earlier = json.loads(home.enrolling.read_bytes())
    except FileNotFoundError:
        condition = "enrolled already" if home.site_toml.exists() else "not empty"
        raise InputError(f"HOME {home.path} is {condition}; give a new folder.") from None
    except ValueError:
        earlier = None
    if earlier != mark:
        raise InputError(
            f"In HOME {home.path} another hospital's enrolment was interrupted;"
            " give its kit or a new folder."
        )


def _keys(home: SiteHome) -> dict[str, bytes]:
    """The three private keys, made where they are not there yet."""
    kinds: dict[Kind, Path] = {
        "tls": home.tls_key,
        "node": home.node_key,
        "identity": home.identity_key,
    }
    for kind, path in kinds.items():
        # A second attempt must send the same keys, or the coordinator takes it for a used token.
        if not path.exists():
            files.replace(path, certificates.private_key(kind))
    return {kind: path.read_bytes() for kind, path in kinds.items()}


def _certified(
    kit: Kit, route: KitSettings, keys: dict[str, bytes], now: datetime
) -> tuple[bytes, bytes]:
    name = kit.settings.name
    request = {
        "site": name,
        "token": kit.token,
        "tls_request": certificates.request(name, keys["tls"]).decode(),
        "identity_request": certificates.request(name, keys["identity"]).decode(),
        "node_key": certificates.public_bytes(keys["node"]).decode(),
    }
    answer = _post(kit, route, request)
    tls = _text(answer, "tls_certificate").encode()
    identity = _text(answer, "identity_certificate").encode()
    for certificate, key in ((tls, keys["tls"]), (identity, keys["identity"])):
        try:
            certificates.check(certificate, kit.ca, name, now)
        except CertificateError as error:
            raise CertificateError(f"The coordinator's answer cannot be used: {error}") from None
        if certificates.key_in(certificate) != certificates.public_bytes(key):
            raise CertificateError(
                "The coordinator certified another key than this hospital's;"
                " ask the coordinator for a new kit."
            )
    return tls, identity


def _post(kit: Kit, route: KitSettings, request: dict[str, str]) -> dict[str, Any]:
    with connection.client(route, kit.ca, None) as http:
        try:
            response = http.post(PATH, json=request)
        except httpx.HTTPError as error:
            raise ConsiliumError(connection.explain(error, route)) from None
        answer = _object(response)
        if response.status_code == httpx.codes.OK and "error" not in answer:
            return answer
        if "error" in answer:
            # shown() escapes what a terminal would obey; the quotes around it are taken off.
            sentence = shown(_text(answer, "error")[:300])[1:-1]
            if response.is_server_error:
                raise ConsiliumError(sentence)
            raise InputError(f"The coordinator refuses the enrolment: {sentence}")
        status = httpx.HTTPStatusError("", request=response.request, response=response)
        raise ConsiliumError(connection.explain(status, route))


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json() if len(response.content) <= _LARGEST_ANSWER else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _text(answer: dict[str, Any], field: str) -> str:
    value = answer.get(field)
    if not isinstance(value, str):
        raise ConsiliumError(
            f"The coordinator's answer lacks {field};"
            " both sides must run the same version of Consilium."
        )
    return value


def _finish(home: SiteHome, kit: Kit, site: SiteSettings, tls: bytes, identity: bytes) -> None:
    """Certificates, then the settings; the mark goes last."""
    contents = {
        home.ca: kit.ca,
        home.coordinator: kit.coordinator,
        home.roster_crt: kit.roster,
        home.policy_toml: policy.Policy().to_toml().encode(),
        home.tls_crt: tls,
        home.identity_crt: identity,
        home.site_toml: site.to_toml().encode(),
    }
    for path, content in contents.items():
        files.replace(path, content)
    # Last: while the mark is there, the same command can be run again.
    home.enrolling.unlink()
