"""Capabilities bound to runnable code, and the jobs that run it; no I/O.

`Service` (override ``run``), `Job`, `MultiJob` and `Scheduler` are those of the
reference documentation. May import `pilothouse.errors`, the model, the configuration
and the authorisation of mPlane.
"""

from .job import Job
from .jobs import TooManyJobsError
from .multijob import MultiJob
from .runtime import Runtime
from .scheduler import Scheduler
from .service import CheckInterrupt, Service
from .work import JobState, Work

__all__ = [
    "CheckInterrupt",
    "Job",
    "JobState",
    "MultiJob",
    "Runtime",
    "Scheduler",
    "Service",
    "TooManyJobsError",
    "Work",
]
