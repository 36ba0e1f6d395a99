"""Autogen: a policy about pods also concerns the controllers that make them, by their pod template.

Kyverno rewrites the text of the expressions; here `object` is the pod that the template stands for. It keeps the
controller's apiVersion, kind and namespace, as the rewritten text does.
"""

from collections.abc import Mapping

from policies.json import Json
from policies.native.kyverno.model import Template
from policies.native.model import Constraints, Rule
from policies.native.patches import Steps

_TEMPLATE: Steps = ("spec", "template")
_JOB_TEMPLATE: Steps = ("spec", "jobTemplate", "spec", "template")
_CONTROLLERS: Mapping[str, tuple[str, Steps]] = {
    "daemonsets": ("apps", _TEMPLATE),
    "deployments": ("apps", _TEMPLATE),
    "replicasets": ("apps", _TEMPLATE),
    "statefulsets": ("apps", _TEMPLATE),
    "jobs": ("batch", _TEMPLATE),
    "cronjobs": ("batch", _JOB_TEMPLATE),
}


def templates_of(constraints: Constraints, controllers: tuple[str, ...] | None) -> tuple[Template, ...]:
    """The templates that a policy covers: none unless it is about pods and nothing else.

    `controllers` are those that the policy names, None where it names none: then it means all.
    """
    if not _about_pods(constraints):
        return ()
    chosen = _CONTROLLERS if controllers is None else [name for name in controllers if name in _CONTROLLERS]
    return tuple(_template(name, constraints) for name in chosen)


def _about_pods(constraints: Constraints) -> bool:
    if constraints.excluded or not constraints.objects.trivial or len(constraints.rules) != 1:
        return False
    (rule,) = constraints.rules
    core = rule.groups == {""} and rule.versions == {"v1"}
    return core and rule.resources == (("pods", ""),) and not rule.names


def _template(plural: str, constraints: Constraints) -> Template:
    group, steps = _CONTROLLERS[plural]
    (pods,) = constraints.rules
    rule = Rule(frozenset({group}), frozenset({"v1"}), pods.operations, ((plural, ""),))
    return Template(steps, Constraints((rule,), namespaces=constraints.namespaces, equivalent=False))


def pod_of(found: Json, steps: Steps) -> Json:
    """The controller with its pod template's metadata and spec in the place of its own. None stays None."""
    if not isinstance(found, Mapping):
        return found
    template: Json = found
    for step in steps:
        template = template.get(step) if isinstance(template, Mapping) else None
    made = {name: member for name, member in found.items() if name not in ("metadata", "spec")}
    template = template if isinstance(template, Mapping) else {}
    if "spec" in template:
        made["spec"] = template["spec"]
    outer = found.get("metadata")
    namespace = {"namespace": outer["namespace"]} if isinstance(outer, Mapping) and "namespace" in outer else {}
    if "metadata" in template or namespace:
        made["metadata"] = {**(template.get("metadata") or {}), **namespace}
    return made
