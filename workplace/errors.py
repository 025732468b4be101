"""The error tree. Every docstring tells the catcher what to do."""


class WorkplaceError(Exception):
    """Root of every error raised on purpose."""


class DocumentInvalid(WorkplaceError):
    """A floor plan or policy file has mistakes; show all of them and stop."""

    def __init__(self, mistakes: tuple[object, ...]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


class MessageRejected(WorkplaceError):
    """A message from the wire cannot be used; quarantine it with `reason` and go on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BrokerUnreachable(WorkplaceError):
    """The MQTT broker does not answer; keep what you have and try again with back-off."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"cannot reach the MQTT broker at {url}: {why}. Is it running, and is the address right?"
        )
        self.url = url


class BrokerRefused(WorkplaceError):
    """The broker answered but refuses us (password, rights, client id); a person must act."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"the MQTT broker at {url} refuses this client: {why}. Check user, password and topic rights."
        )
        self.url = url


class ServerUnreachable(WorkplaceError):
    """A server that we ask something does not answer; try again later."""


class StoreUnavailable(WorkplaceError):
    """A store cannot take data now (disk full, locked, server away); acknowledge nothing and try again."""


class FencedOff(WorkplaceError):
    """Another worker owns this partition now; throw away what was decided since, and acknowledge nothing of it."""


class ChannelUnavailable(WorkplaceError):
    """A channel cannot take a telling now; keep it and try again, after `retry_after_s` where that is known."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class ChannelRefused(WorkplaceError):
    """A channel will never take this telling; count it and go on. With `is_for_good` it takes no other either."""

    def __init__(self, reason: str, *, is_for_good: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_for_good = is_for_good


class SettingInvalid(WorkplaceError):
    """A setting has an impossible value; show the message and exit with code 2."""
