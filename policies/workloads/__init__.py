"""Any catalogued object as what it boils down to: its pods and its facts, from images to placement.

`extract` gives it, from a `subject`: what the kind's own fields say (`own`, by the rows of the `catalogue`), objects
inside of it (`nested`), and its `pods`. Below them, from the top: `devices`, `specs` (what a pod spec says),
`containers`, `reach` (what is contacted), `commands` (lines and scripts), `names` (images, models, texts), and the
`catalogue` on the ground.
"""

from policies.workloads.catalogue.kinds import Catalogue, Entry, catalogue_digest, kind_of, knows_scope, resource_of
from policies.workloads.changes import is_changed
from policies.workloads.devices.debugging import debuggers_of
from policies.workloads.devices.dra import devices_of_claim
from policies.workloads.devices.isolation import isolation_constraint, level_with_handler, runtime_level, runtime_rank
from policies.workloads.devices.levels import rank, weakest
from policies.workloads.extract import Workload, extract, is_workload
from policies.workloads.lazy import whole
from policies.workloads.names.images import parse_image
from policies.workloads.names.references import parse_model
from policies.workloads.pods import PodFact, rebase
from policies.workloads.specs.affinity import AffinityMalformed, require, require_all

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
