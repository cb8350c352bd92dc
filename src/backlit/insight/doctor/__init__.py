"""What is wrong with a training, its network or its data, and what to change."""

from backlit.insight.doctor.before import DataCheck, check_data
from backlit.insight.doctor.diagnosis import Diagnosis, diagnose
from backlit.insight.doctor.findings import Change, Finding, Fix
from backlit.insight.doctor.trial import Plan, Tried, try_fix

__all__ = [
    "Change",
    "DataCheck",
    "Diagnosis",
    "Finding",
    "Fix",
    "Plan",
    "Tried",
    "check_data",
    "diagnose",
    "try_fix",
]
