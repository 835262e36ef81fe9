"""Headless Chromium of the system, driven by Playwright, for measurements and tests of the report."""

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
"""Names of the program, the preferred one first."""
MISSING = f"no browser: none of {', '.join(NAMES)} is on the PATH; on Debian: apt-get install chromium"


def find() -> str | None:
    """Path of Chromium; None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright: "Playwright", path: str) -> "Browser":
    """Start Chromium without a window.

    Its sandbox, which root may not use, is left out for root, for example in a container. Only pages of this project
    are opened.
    """
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=arguments)
