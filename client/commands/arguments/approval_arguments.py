"""Arguments of ``consilium site offers, approve, withdraw``."""

from __future__ import annotations

from typing import Any

from client.commands.arguments.site_options import Add, Whole, add_home
from common.cli.parser import Parser, add_json


def add(group: Any, command: Add, whole: Whole) -> None:
    """Add the commands with which a person decides what this hospital takes part in."""
    offers = command(
        group,
        "offers",
        "list studies that wait for approval, and approved ones",
        ("consilium site offers --home /srv/consilium",),
    )
    for parser in (offers, _add_approve(group, command, whole), _add_withdraw(group, command)):
        add_home(parser)
        add_json(parser)


def _add_approve(group: Any, command: Add, whole: Whole) -> Parser:
    parser = command(
        group,
        "approve",
        "approve a study, by name of a person",
        (
            "consilium site approve lungs --home /srv/consilium --by Rivers",
            (
                "consilium site approve lungs.toml --home /srv/consilium --by Rivers --days 30"
                " --evaluate-only"
            ),
        ),
    )
    parser.add_argument(
        "study", metavar="STUDY", help="name or first digits of a study that asked, or a study file"
    )
    parser.add_argument("--by", required=True, metavar="NAME", help="the person who approves")
    parser.add_argument(
        "--days",
        type=whole(1, 3650),
        default=90,
        metavar="N",
        help="days for which the approval holds (default: 90)",
    )
    parser.add_argument(
        "--evaluate-only", action="store_true", help="models may be scored here, not trained"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask: the study was read before")
    return parser


def _add_withdraw(group: Any, command: Add) -> Parser:
    parser = command(
        group,
        "withdraw",
        "end a study's approval, or take a patient out",
        (
            "consilium site withdraw --study lungs --home /srv/consilium",
            "consilium site withdraw --patient 4711 --home /srv/consilium",
        ),
    )
    parser.add_argument(
        "--study", metavar="STUDY", help="name or first digits of an approved study"
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="with --patient: also if no image of the patient is there yet",
    )
    parser.add_argument(
        "--patient",
        metavar="ID",
        help="as it stands in patient_id of labels.csv, or in the DICOM files",
    )
    return parser
