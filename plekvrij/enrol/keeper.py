"""A gateway that renews its own certificate, long before it runs out."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

import structlog

from plekvrij.enrol.client import renew, validity
from workplace.errors import WorkplaceError

log = structlog.get_logger(__name__)

#: Look this often, s. A third of 90 days is 700 looks: the server may be away for weeks.
_LOOK_S = 3600.0


def is_due(begins_at: datetime, ends_at: datetime, now: datetime) -> bool:
    """Return whether less than a third of the life of a certificate is left."""
    return ends_at - now < (ends_at - begins_at) / 3


async def keep_certificate(file: Path, look_s: float = _LOOK_S) -> None:
    """Renew the certificate of the credential in `file` whenever it is due, until cancelled.

    The next connection uses the new one; the one that is open goes on.
    """
    while True:
        try:
            if is_due(*validity(file), datetime.now(UTC)):
                until = await asyncio.to_thread(renew, file)
                log.info("certificate_renewed", until=until.isoformat())
        except WorkplaceError as error:
            log.warning("certificate_not_renewed", why=str(error))
        # not all gateways of a site in the same minute
        await asyncio.sleep(look_s * random.uniform(0.75, 1.25))
