"""``consilium provision``: a consortium's authority, the coordinator's keys, one kit per hospital.

Everything is written beside its place first and then only renamed, so that a full disk or an
interruption leaves what was there before.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from common.errors import CertificateError, ConsiliumError, InputError
from common.storage import files
from common.study.config import closest, shown
from common.trust import certificates, consortium
from common.trust.certificates import SERVER, Credential
from common.trust.consortium import Consortium
from server.commands.kit_issuer import KitIssuer
from server.host import site_registry
from server.host.site_registry import RegisteredSite, Registry

_COORDINATOR_FILES = ("consortium.toml", "ca.crt", "ca.key", "sites.json")
_SIGN = (
    "When hospitals have enrolled, and again whenever one joins, "
    "leaves or gets a new kit: consilium server roster --home {out} --key KEY"
)


def provision(
    consortium_toml: Path,
    out: Path,
    now: datetime,
    single_file: bool = False,
    renew: Sequence[str] = (),
) -> list[str]:
    """Make the coordinator's folder ``out``, or extend it by hospitals that the file newly lists.

    Args:
        consortium_toml: the consortium file.
        out: the coordinator's HOME; new, empty, or made by this function before.
        now: UTC.
        single_file: write each kit also as one file.
        renew: hospitals that get a new kit, which ends their enrolment so far; ``server`` renews
            the server's TLS certificate.

    Returns:
        Lines that say what was made and what to do next.

    Raises:
        InputError: a field is wrong, the folder is somebody else's, an unknown hospital is to be
            renewed.
        ConsiliumError: the disk is full or not writable; nothing was changed.
    """
    settings = consortium.read(consortium_toml)
    try:
        if all((out / name).is_file() for name in _COORDINATOR_FILES):
            return _extend(settings, out, now, single_file, tuple(dict.fromkeys(renew)))
        _check_new(out, renew)
        return _create(settings, out, now, single_file)
    except OSError as error:
        raise ConsiliumError(
            f"{out} cannot be written ({error.strerror or error}); nothing was changed, "
            "mend that and run it again."
        ) from None


def _check_new(out: Path, renew: Sequence[str]) -> None:
    if not out.absolute().parent.is_dir():
        raise InputError(f"The folder {out.absolute().parent} does not exist; make it first.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out} is not a coordinator's folder and not empty; give a new folder, "
            "or the one that provision made."
        )
    if renew:
        raise InputError(
            f"{shown(renew[0])} has no kit yet that could be renewed: {out} is new; "
            "run it without renewing."
        )


def _create(settings: Consortium, out: Path, now: datetime, single_file: bool) -> list[str]:
    out = out.absolute()
    ca = certificates.authority(settings.name, now, settings.ca_days)
    coordinator = certificates.signer(ca, certificates.COORDINATOR, now, settings.ca_days)
    roster = certificates.signer(ca, certificates.ROSTER, now, settings.ca_days)
    issuer = KitIssuer(
        settings, ca.certificate, coordinator.certificate, roster.certificate, now, single_file
    )
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.new-") as draft:
        home = files.folder(Path(draft) / "home")
        kits = files.folder(home / "kits")
        tls = certificates.server(ca, settings.address, now, settings.certificate_days)
        for name, credential in (
            ("ca", ca),
            (SERVER, tls),
            (certificates.COORDINATOR, coordinator),
        ):
            files.create(home / f"{name}.crt", credential.certificate)
            files.create(home / f"{name}.key", credential.key)
        files.create(home / "roster.crt", roster.certificate)
        files.create(files.folder(home / "offline") / "roster.key", roster.key)
        files.create(home / "superexec.secret", secrets.token_hex(32).encode())
        files.create(home / "consortium.toml", settings.to_toml().encode())
        entries = {
            site: site_registry.invited(issuer.issue(site, kits), issuer.until)
            for site in settings.sites
        }
        files.create(home / "sites.json", site_registry.dumps(entries))
        files.move(home, out)
    lines = [issuer.line(site, out / "kits") for site in settings.sites]
    return [
        (
            f"Made {out}: the authority, keys and registry of {settings.name}; "
            "keep ca.key secret and backed up."
        ),
        *lines,
        *_next_steps(out),
        *_roster_advice(out),
    ]


def _extend(
    settings: Consortium, out: Path, now: datetime, single_file: bool, renew: tuple[str, ...]
) -> list[str]:
    ca = Credential((out / "ca.crt").read_bytes(), (out / "ca.key").read_bytes())
    certificates.check_authority(ca.certificate, now)
    _check_unchanged(settings, out, ca)
    coordinator, roster = ((out / name).read_bytes() for name in ("coordinator.crt", "roster.crt"))
    registry = Registry(out)
    issuer = KitIssuer(settings, ca.certificate, coordinator, roster, now, single_file)
    with registry.lock():
        registered = registry.load()
        new = _new_sites(settings, registered)
        renewed = _renewed(renew, registered)
        with TemporaryDirectory(dir=out, prefix=".new-") as draft:
            kits = issuer.issue_all(Path(draft), registered, (*new, *renewed))
            files.create(Path(draft) / "sites.json", site_registry.dumps({**registered, **kits}))
            files.create(Path(draft) / "consortium.toml", settings.to_toml().encode())
            if SERVER in renew:
                _write_tls(
                    certificates.server(ca, settings.address, now, settings.certificate_days),
                    Path(draft),
                )
            _place(Path(draft), out, tuple(kits))
    lines = [issuer.line(site, out / "kits") for site in kits]
    lines += [
        f"The enrolment of {site} so far has ended."
        for site in renewed
        if registered[site].enrolled is not None
    ]
    lines += [
        f"{site} is not listed any more; it stays registered, as it was."
        for site in registered
        if site not in settings.sites
    ]
    lines += (
        ["The server has a new TLS certificate; start it anew to use it."]
        if SERVER in renew
        else []
    )
    return (
        [*lines, *_next_steps(out), _SIGN.format(out=out)]
        if kits
        else [*lines, f"Every hospital of {settings.name} has its kit; nothing else was changed."]
    )


def _check_unchanged(settings: Consortium, out: Path, ca: Credential) -> None:
    if not (out / "roster.crt").is_file():
        raise InputError(
            f"{out} has no roster.crt: an earlier release made it, "
            "before rosters were signed; provision a new folder and give every hospital "
            "its new kit."
        )
    previous = consortium.read(out / "consortium.toml")
    for field in ("name", "address", "port", "min_tls"):
        old = getattr(previous, field)
        new = getattr(settings, field)
        if old != new:
            raise InputError(
                f"consortium.{field} is {shown(new)}, but the kits were made for "
                f"{shown(old)}; restore it, or provision a new folder."
            )
    holder = certificates.details(ca.certificate)["name"]
    if holder != settings.name:
        raise InputError(
            f"consortium.name is {shown(settings.name)}, but the authority in {out} is "
            f"that of {shown(holder)}; restore the name."
        )
    try:
        tls = (out / "server.crt").read_bytes()
        certificates.check(
            tls, ca.certificate, settings.address, certificates.details(tls)["not_after"]
        )
    except CertificateError as error:
        raise InputError(
            f"consortium.address is {shown(settings.address)}, "
            f"which server.crt in {out} does not serve: {error}"
        ) from None


def _new_sites(settings: Consortium, registered: dict[str, RegisteredSite]) -> list[str]:
    lower = {name.lower(): name for name in registered}
    for i, site in enumerate(settings.sites):
        previous = lower.get(site.lower(), site)
        if previous != site:
            raise InputError(
                f"consortium.sites[{i}] is {shown(site)}, but {shown(previous)} is "
                "registered; names must differ in more than case."
            )
    return [site for site in settings.sites if site not in registered]


def _renewed(renew: tuple[str, ...], registered: dict[str, RegisteredSite]) -> list[str]:
    for site in renew:
        if site not in registered and site != SERVER:
            raise InputError(
                f"{shown(site)} cannot be renewed{closest(site, registered)}; registered: "
                f"{', '.join(registered)}."
            )
    return [site for site in renew if site != SERVER]


def _write_tls(tls: Credential, draft: Path) -> None:
    files.create(draft / "server.crt", tls.certificate)
    files.create(draft / "server.key", tls.key)


def _place(draft: Path, out: Path, sites: Sequence[str]) -> None:
    """Only renames from here on.

    The registry is last, so that a kit without an entry is one that the next run replaces.
    """
    kits = files.folder(out / "kits")
    old = files.folder(draft / "old")
    for site in sites:
        for name in (site, f"{site}.kit"):
            if (kits / name).exists():
                files.move(kits / name, old / name)
            if (draft / "kits" / name).exists():
                files.move(draft / "kits" / name, kits / name)
    for name in ("server.key", "server.crt", "consortium.toml", "sites.json"):
        if (draft / name).exists():
            files.move(draft / name, out / name)


def _next_steps(out: Path) -> list[str]:
    return [
        "Hand each kit to its hospital on a way that you trust: it holds a secret.",
        f"Next: consilium server start --home {out}",
    ]


def _roster_advice(out: Path) -> list[str]:
    why = (
        "whoever holds its roster.key and this server could add hospitals of their own to a "
        "sum and so read a real one's changes"
    )
    return [
        f"Move {out / 'offline'} off this machine now, e.g. to two USB sticks: {why}.",
        _SIGN.format(out=out),
    ]
