"""All of ``consilium site``: the group, and which file adds which of its commands."""

from __future__ import annotations

from typing import Any

from client.commands.arguments import (
    approval_arguments,
    audit_arguments,
    intake_arguments,
    process_arguments,
    view_arguments,
)
from client.commands.arguments.site_options import Add, Whole


def add(commands: Any, command: Add, whole: Whole) -> None:
    """Add the commands; ``command`` adds one command, ``whole`` is a whole number with limits."""
    group = command(commands, "site", "run a hospital's side").add_subparsers(
        metavar="COMMAND", title="commands"
    )
    process_arguments.add(group, command)
    approval_arguments.add(group, command, whole)
    view_arguments.add(group, command, whole)
    intake_arguments.add(group, command, whole)
    audit_arguments.add(group, command, whole)
