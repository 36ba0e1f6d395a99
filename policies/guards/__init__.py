"""Native policies for who may change what is believed: places of nodes, classes and residency of namespaces."""

from policies.guards.actors import Actors
from policies.guards.guarding import Guarding
from policies.guards.native import native

__all__ = ["Actors", "Guarding", "native"]
