"""The browser of the tests: Debian's Chromium, without a window where there is a build without one.

The build without a window (`chromium-headless-shell`) is the same engine and takes a third of the time to start: the
other runs the parts of a window too, of which nobody sees anything.
"""

from __future__ import annotations

import shutil

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or "/usr/bin/chromium"
