"""The kinds of bailiwick.dev/v1alpha1 as immutable models, and `parse`, which reads them with located errors."""

from policies.kinds.dataclass import DataClass
from policies.kinds.jurisdiction import Jurisdiction
from policies.kinds.policy import SovereigntyPolicy
from policies.kinds.problems import KindInvalid, Problem
from policies.kinds.profile import ClusterProfile
from policies.kinds.provenance import ModelProvenance
from policies.kinds.reading import KINDS, Kind, is_ours, parse
from policies.kinds.resource import API_VERSION
from policies.kinds.trust import TrustPolicy
from policies.kinds.waiver import Waiver

__all__ = [
    "API_VERSION",
    "KINDS",
    "ClusterProfile",
    "DataClass",
    "Jurisdiction",
    "Kind",
    "KindInvalid",
    "ModelProvenance",
    "Problem",
    "SovereigntyPolicy",
    "TrustPolicy",
    "Waiver",
    "is_ours",
    "parse",
]
