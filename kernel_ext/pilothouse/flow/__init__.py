"""A plan of steps: run side by side, watched, cancelled, taken up again.

    flow = Flow("delays")
    flow.step("rows", measure)                       # needs nothing
    flow.step("line", fit)                           # def fit(rows): needs "rows"
    flow.step("scores", score, needs=("line", "rows"))
    flow.start().result()["scores"]

A step is a function; what it needs are the names of other steps, whose results it is
given. `start` looks at the whole plan first (unknown needs, rings, names that stand
twice) and runs nothing when something is wrong. Then each step runs in a thread of its
own as soon as what it needs is done, so independent steps run side by side. A step
that gives back a handle of remote work, anything with the four verbs ``wait result
cancel detach``, is over when that is over, and the handle's result is the step's; a
step that wants to go on with the result calls `follow` with the handle.

A step that fails stops those that need it, and no others; `Flow.resume` goes on from
there with what is done. The plan is a handle of work itself: ``wait result cancel
detach``, awaited, iterated live. `Flow.cancel` cancels the remote work of the running
steps, waits two seconds for the peers and says who has confirmed; a step that only
computes here is asked to stop at its next line. `Flow.detach` leaves the remote work
where it is, and begins nothing new.

What lives here: `steps` (what a step is and how it is), `plan` (what is wrong with a
plan, before it runs), `task` (one step that runs), `flow` (the plan that runs),
`names` (which names a piece of Python needs and binds), `picture` (a plan as text).
Nothing here knows a service: any handle with the four verbs will do. Imports
`pilothouse.errors` and the standard library; opens nothing.
"""

from __future__ import annotations

from .errors import FlowError, PlanError
from .flow import Flow, FlowProgress
from .steps import Step, StepReport, StepState
from .task import Handle, current, follow, is_handle

__all__ = [
    "Flow",
    "FlowError",
    "FlowProgress",
    "Handle",
    "PlanError",
    "Step",
    "StepReport",
    "StepState",
    "current",
    "follow",
    "is_handle",
]
