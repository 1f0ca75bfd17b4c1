"""The coordinator's folder on the server host: where each file lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from common.trust import consortium
from common.trust.consortium import Consortium
from server.host.superlink_control import Control


@dataclass(frozen=True)
class ServerHome:
    """Where each file of a coordinator lies."""

    path: Path

    @property
    def settings(self) -> Consortium:
        """The consortium."""
        return consortium.read(self.path / "consortium.toml")

    @property
    def authority(self) -> Path:
        """The consortium's certificate authority."""
        return self.path / "ca.crt"

    @property
    def runs(self) -> Path:
        """A folder for each run."""
        return self.path / "runs"

    @property
    def run(self) -> Path:
        """Sockets and process numbers."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """Logs."""
        return self.path / "logs"

    @property
    def superlink(self) -> str:
        """Address of the SuperLink on this host."""
        return f"127.0.0.1:{self.settings.link_port}"

    def control(self) -> Control:
        """The SuperLink's Control API."""
        return Control(self.superlink, self.authority)

    @classmethod
    def open(cls, path: Path) -> ServerHome:
        """A folder that ``consilium provision`` made.

        Raises:
            InputError: it is not one.
        """
        if (path / "site.toml").is_file():
            raise InputError(
                f"{path} is a hospital's folder; for it the commands are those of: consilium site."
            )
        if not (path / "ca.key").is_file() or not (path / "consortium.toml").is_file():
            raise InputError(
                f"{path} is not a coordinator's folder; make one with: "
                f"consilium provision CONSORTIUM.toml --out {path}."
            )
        return cls(path.absolute())
