"""What a view shows, and how often; its traits are set one by one, behind its lock."""

from pilothouse_widgets.feed import TABLE_HZ
from waiting import until


def seen(view, condition, timeout=60.0, what="the condition"):
    """Return the first true value of a condition on a view, not amid its change."""

    def looked():
        with view._lock:
            return condition()

    return until(looked, timeout, what)


def few(channel, before=0):
    """Whether no more went out over a comm than a table may send in that time."""
    messages = zip(channel.times, channel.messages, strict=False)
    return seldom([at for at, m in list(messages)[before:] if m["method"] == "update"])


def seldom(times):
    """Whether these are no more than a table may send in that time."""
    between = times[-1] - times[0]
    at_once = 3  # as it is made, the first and the last
    return len(times) - at_once <= 1.025 * TABLE_HZ * between
