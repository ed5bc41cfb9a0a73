"""The browser and the system that a `User-Agent` header names.

Visitors can send anything in the header, so only known names are returned.
"""

from __future__ import annotations

import re

# In this order: Edge and Opera also call themselves Chrome, and Chrome calls itself Safari.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox", "CriOS": "Chrome"} | {
    "Chrome": "Chrome",
    "Safari": "Safari",
}
# Android also calls itself Linux, an iPhone Mac OS.
SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "CrOS": "ChromeOS"} | {
    "Mac OS": "macOS",
    "Linux": "Linux",
}


def names_in(user_agent: str) -> tuple[str, str]:
    """Return the names of the browser and the system, each "" if it is not known."""
    browser = next((name for mark, name in BROWSERS.items() if re.search(rf"\b{mark}/", user_agent)), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")
    return browser, system
