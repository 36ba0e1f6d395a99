"""What the operator has declared, compiled for the rules: geography, jurisdictions, data classes, the cluster's profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from policies.geography import Geography, JurisdictionRule
from policies.json import Json, JsonObject
from policies.rulebook import Rulebook
