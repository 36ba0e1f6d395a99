"""A second opinion on what the scheduler does: nodes are enumerated, labels are compared, nothing is reasoned about.

Written from the Kubernetes API reference of NodeSelector, NodeAffinity and PersistentVolume, apart from the product.
"""

from copy import deepcopy
from typing import Any

Object = dict[str, Any]


def matches(pod: Object, node: Object) -> bool:
    """Would the scheduler's node filters pass this node for the pod's own terms?"""
    spec, labels = pod["spec"], node["metadata"].get("labels", {})
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or selects(required.get("nodeSelectorTerms") or [], node)


def selects(terms: list[Object], node: Object) -> bool:
    for term in terms:
        expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
        if not expressions and not fields:
            continue
        named = {"metadata.name": node["metadata"]["name"]}
        if all(holds(each, node["metadata"].get("labels", {})) for each in expressions) and all(
            holds(each, named) for each in fields
        ):
            return True
    return False


def holds(expression: Object, labels: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "Gt" | "Lt" as operator:
            try:
                have, bound = int(labels[key]), int(values[0])
            except (KeyError, ValueError):
                return False
            return have > bound if operator == "Gt" else have < bound
    raise AssertionError(expression)


def provisions(storage_class: Object, node: Object) -> bool:
    """May a volume of this class be made for a pod on this node? Made at once, it may be reached from anywhere."""
    if storage_class.get("volumeBindingMode") != "WaitForFirstConsumer":
        return True
    terms = storage_class.get("allowedTopologies") or []
    labels = node["metadata"].get("labels", {})
    return not terms or any(
        term.get("matchLabelExpressions")
        and all(labels.get(each["key"]) in each["values"] for each in term["matchLabelExpressions"])
        for term in terms
    )


def attaches(claim: Object, volumes: list[Object], storage_class: Object, node: Object) -> bool:
    """Can the claim's volume be reached from this node, or be made there? As the scheduler's VolumeBinding asks it."""
    name = claim["spec"].get("volumeName")
    if name:
        return any(_reaches(one, node) for one in volumes if one["metadata"]["name"] == name)
    if any(_reaches(one, node) for one in volumes if _matches_claim(one, claim)):
        return True
    return _class(claim) == storage_class["metadata"]["name"] and provisions(storage_class, node)


def _matches_claim(volume: Object, claim: Object) -> bool:
    bound, metadata = volume["spec"].get("claimRef"), claim["metadata"]
    mine = bound is None or (bound["namespace"], bound["name"]) == (metadata["namespace"], metadata["name"])
    return mine and _class(volume) == _class(claim)


def _reaches(volume: Object, node: Object) -> bool:
    affinity = volume["spec"].get("nodeAffinity")
    return affinity is None or selects(affinity["required"]["nodeSelectorTerms"], node)


def _class(found: Object) -> str:
    annotations = found["metadata"].get("annotations", {})
    return annotations.get("volume.beta.kubernetes.io/storage-class", found["spec"].get("storageClassName", ""))


def patched(document: Object, operations: list[Object]) -> Object:
    """RFC 6902 `add`, nothing else."""
    result = deepcopy(document)
    for operation in operations:
        assert operation["op"] == "add"
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        target: Any = result
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target[part]
        if isinstance(target, list):
            target.insert(len(target) if last == "-" else int(last), deepcopy(operation["value"]))
        else:
            target[last] = deepcopy(operation["value"])
    return result
