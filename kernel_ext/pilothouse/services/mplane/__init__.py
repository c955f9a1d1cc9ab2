"""The local mPlane component: every probe of the house, on the services' loop.

    service     the component as a service of the host

It imports `pilothouse.mplane` (model, scheduler, component, probes; never its client).
"""
