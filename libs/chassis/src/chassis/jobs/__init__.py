"""Work that a clock starts: a lease decides who runs it, a fencing token stops a stale holder (spec 1.8)."""

from chassis.jobs.lease import LeaseLost
from chassis.jobs.run import JobOutcome, JobRun, run_job
from chassis.jobs.scheduler import Scheduler
from chassis.jobs.standing import all_jobs

__all__ = ["JobOutcome", "JobRun", "LeaseLost", "Scheduler", "all_jobs", "run_job"]
