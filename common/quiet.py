"""What keeps Flower from calling anybody: its environment variables for telemetry and for the look for updates."""

from __future__ import annotations

FLOWER = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
