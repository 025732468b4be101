"""The pages of staff as every bar on top names them, in its order."""

from __future__ import annotations

from dashboard.i18n import N_

NOW, HISTORY, REPORT = "/staff/", "/staff/history", "/staff/report"
#: Address and word.
STAFF_VIEWS = (
    (NOW, N_("Now")),
    (HISTORY, N_("History")),
    (REPORT, N_("Report")),
    ("/staff/plan", N_("Floor plan")),
    ("/staff/devices", N_("Devices")),
    ("/staff/policy", N_("Policy")),
    ("/staff/actions", N_("Changes")),
)
