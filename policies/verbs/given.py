"""What commands that judge manifests are told beside them: rules, the cluster, and data of the deployer's own."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from policies.gathering import Given


@dataclass(frozen=True, slots=True)
class Told:
    """Paths of what is told; `namespace` is for objects that name none."""

    rules: Sequence[str]
    cluster: Sequence[str]
    regions: str | None
    catalogue: str | None
    namespace: str

    def gathered(self, paths: Sequence[str], *, packs: bool = True, openapi: Sequence[str] = ()) -> "Given":
        """All that with the manifests at the paths. Raises RulesInvalid, OpenapiUnreadable."""
        from policies.gathering import gather
        from policies.version import version

        return gather(
            paths, self.rules, self.cluster, version(), packs, openapi, regions=self.regions, catalogue=self.catalogue
        )


def told_options(*, required: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--rules, --cluster, --regions, --catalogue and --namespace, given to the verb as `told`."""

    def decorated(call: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--rules",
            multiple=True,
            required=required,
            metavar="PATH",
            help="Policies, jurisdictions, classes, profile.",
        )
        @click.option(
            "--cluster", multiple=True, metavar="PATH", help="Objects of the cluster: namespaces, nodes, volumes."
        )
        @click.option("--regions", metavar="FILE", help="Regions of your own, laid over the built-in ones.")
        @click.option("--catalogue", metavar="FILE", help="Kinds of workloads of your own, over the built-in ones.")
        @click.option("--namespace", "-n", default="default", show_default=True, help="For objects that name none.")
        @functools.wraps(call)
        def wrapped(
            rules: Sequence[str],
            cluster: Sequence[str],
            regions: str | None,
            catalogue: str | None,
            namespace: str,
            **more: Any,
        ) -> Any:
            return call(told=Told(rules, cluster, regions, catalogue, namespace), **more)

        return wrapped

    return decorated
