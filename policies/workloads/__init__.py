"""Any catalogued object as what it boils down to: its pods and its facts, from images to placement."""

from policies.workloads.affinity import AffinityMalformed, require, require_all
from policies.workloads.catalogue import Catalogue, Entry, catalogue_digest, kind_of, knows_scope, resource_of
from policies.workloads.changes import is_changed
from policies.workloads.debugging import debuggers_of
from policies.workloads.dra import devices_of_claim
from policies.workloads.extract import Workload, extract, is_workload
from policies.workloads.images import parse_image
from policies.workloads.isolation import isolation_constraint, level_with_handler, runtime_level, runtime_rank
from policies.workloads.lazy import whole
from policies.workloads.levels import rank, weakest
from policies.workloads.pods import PodFact, rebase
from policies.workloads.references import parse_model

__all__ = [
    "AffinityMalformed",
    "Catalogue",
    "Entry",
    "PodFact",
    "Workload",
    "catalogue_digest",
    "debuggers_of",
    "devices_of_claim",
    "extract",
    "is_changed",
    "is_workload",
    "isolation_constraint",
    "kind_of",
    "knows_scope",
    "level_with_handler",
    "parse_image",
    "parse_model",
    "rank",
    "rebase",
    "require",
    "require_all",
    "resource_of",
    "runtime_level",
    "runtime_rank",
    "weakest",
    "whole",
]
