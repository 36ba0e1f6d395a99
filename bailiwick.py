"""The `bailiwick` command: its verbs, and what those of one package need of another.

Verbs are found by name and imported only when called, so that a cold start stays short. Each lies in its package;
`webhook.composition` makes the process of `serve` out of its parts.

Exit codes: 0 holds, 1 violations, 2 usage or unreadable input, 3 our own failure. A user's mistake never shows a stack
trace: it shows what is wrong and what to do next.
"""

import os
import sys
from importlib import import_module
from typing import Any

import click

__version__ = "0.1.0"

HOLDS, VIOLATIONS, USAGE, FAULT = 0, 1, 2, 3

# verb: (module:command, one line for --help). Nothing here is imported until the verb is called.
VERBS = {
    "check": ("policies.verbs.check:check", "judge manifests as the webhook would"),
    "explain": ("policies.verbs.explain:explain", "show what an object boils down to, and where it could run"),
    "regions": ("policies.verbs.regions:regions", "look at the places: where they are, who operates them"),
    "nodes": ("webhook.verbs.nodes:nodes", "look at where nodes are believed to be, and label them"),
    "guards": ("webhook.verbs.guards:guards", "print the native policies that guard places and classes"),
    "transfers": ("policies.verbs.transfers:transfers", "look at the ways over a border, and what relies on each"),
    "serve": ("webhook.verbs.serve:serve", "run the admission webhook"),
    "demo": ("webhook.verbs.demo:demo", "watch real manifests being judged, no cluster needed"),
    "doctor": ("webhook.verbs.doctor:doctor", "look for what would keep the webhook from working, and say what to do"),
    "audit": ("audit.verbs.group:audit", "verify and export the log of decisions"),
    "keys": ("keymgmt.verbs.group:keys", "keys of a region: keyrings, and etcd under them"),
    "cel": ("policies.verbs.cel:cel", "evaluate CEL as the API server does, and prove it"),
    "completion": ("bailiwick:completion", "print the shell completion script"),
}


# Verbs of a group whose package lies below what they need: `audit` knows neither keyrings nor policies, `keys` no log.
ADDED = {
    "audit": {
        "query": "webhook.verbs.query:query",
        "replay": "webhook.verbs.replay:replay",
        "erase": "webhook.verbs.erase:erase",
        "hold": "webhook.verbs.erase:hold",
        "expire": "webhook.verbs.erase:expire",
        "prune": "webhook.verbs.prune:prune",
    },
    "keys": {"break-glass": "webhook.verbs.break_glass:break_glass"},
}


class Verbs(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command = _imported(VERBS[name][0])
        if isinstance(command, click.Group):
            for added, where in ADDED.get(name, {}).items():
                command.add_command(_imported(where), added)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in VERBS:
            raise click.UsageError(f"no command `{args[0]}`{_meant(args[0])}", ctx)
        name, verb, rest = super().resolve_command(ctx, args)
        if verb is not None and not ctx.resilient_parsing:
            _check_repeated(verb, name, rest, ctx)
        return name, verb, rest


def _check_repeated(verb: click.Command, name: str | None, args: list[str], parent: click.Context) -> None:
    """Refuse an option of one value that is given twice, in whatever verb: the first one would count for nothing."""
    ctx = click.Context(verb, parent=parent, info_name=name, **verb.context_settings)
    try:
        _, rest, order = verb.make_parser(ctx).parse_args(list(args))
        inner = verb.resolve_command(ctx, rest) if isinstance(verb, click.Group) and rest else None
    except click.UsageError:
        return  # the verb itself says so
    given = [param for param in order if isinstance(param, click.Option) and _has_one_value(param)]
    if any(param.is_eager for param in order):  # such as --help
        return
    for param in given:
        if sum(other.name == param.name for other in given) > 1:
            mistake = click.UsageError(f"`{param.opts[-1]}` is given more than once, and takes one value", ctx)
            mistake.hint = f"give `{param.opts[-1]}` once: which of them is meant?"  # type: ignore[attr-defined]
            raise mistake
    if inner is not None and inner[1] is not None:
        _check_repeated(inner[1], inner[0], inner[2], ctx)


def _has_one_value(option: click.Option) -> bool:
    """Whether a second one would say something else: not where each counts, nor for a flag that can only be set."""
    is_plain_flag = option.is_bool_flag and not option.secondary_opts
    return not (option.multiple or option.count or is_plain_flag)


def _imported(where: str) -> click.Command:
    module, _, attribute = where.partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    return command


def _meant(name: str) -> str:
    from difflib import get_close_matches

    context = click.Context(command)
    for group in ADDED:  # whose verbs others are looked for by their own name
        found = command.get_command(context, group)
        if isinstance(found, click.Group) and name in found.commands:
            return f": did you mean `{group} {name}`?"
    close = get_close_matches(name, VERBS, 1)
    return f": did you mean `{close[0]}`?" if close else ""


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bailiwick")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Decide for every AI workload that enters a Kubernetes cluster whether it may run there, and prove it."""
    ctx.meta["audit.witness.signer"] = _witness_signer  # keyrings are above the audit package
    ctx.meta["keymgmt.kms.log"] = _plugin_log  # and logs are beside that of keys
    ctx.meta["keymgmt.uses.log"] = _logged


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL; put it where your shell reads such scripts.

    \b
    bailiwick completion bash > ~/.bailiwick-completion
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # the three shells of the choice are click's own
    click.echo(found(command, {}, "bailiwick", "_BAILIWICK_COMPLETE").source())


def main() -> None:
    """Run the command and leave with one of its four exit codes."""
    try:
        command(prog_name="bailiwick", standalone_mode=False, obj=_reason_texts)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        _say("stopped")
        sys.exit(USAGE)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)  # help, and no mistake that would need another hint
        sys.exit(USAGE)
    except click.ClickException as mistake:
        _say(mistake.format_message(), getattr(mistake, "hint", None) or _usage_hint(mistake))
        sys.exit(mistake.exit_code if mistake.exit_code != VIOLATIONS else USAGE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever reads has read enough
        sys.exit(HOLDS)
    except OSError as error:
        _say(f"{error.strerror or error}" + (f": `{error.filename}`" if error.filename else ""), "check the path")
        sys.exit(USAGE)
    except Exception as fault:  # noqa: BLE001  # the last resort: every mistake of a user is one of the above
        _fault(fault)


def _reason_texts() -> Any:
    """What reason codes mean, for reports: the audit package knows codes only."""
    from webhook.reporting import reason_texts

    return reason_texts()


def _witness_signer(state: Any, region: str, name: str) -> Any:
    """What a witness cosigns with: a key of its own in the region's keyring."""
    from webhook.keys.witness import witness_signer

    return witness_signer(state, region, name)


def _plugin_log(directory: Any, region: str, cluster: str) -> Any:
    """The KMS plugin's own log."""
    from webhook.log.plugin import plugin_log

    return plugin_log(directory, region, cluster, __version__)


def _logged(*place: Any) -> Any:
    """Verified records of one kind of a log."""
    from audit.verbs.uses import logged

    return logged(*place)


def _usage_hint(mistake: click.ClickException) -> str | None:
    context = getattr(mistake, "ctx", None)
    return f"try `{context.command_path} --help`" if context is not None else None


def _fault(fault: Exception) -> None:
    hint = getattr(fault, "hint", None)
    if hint is not None:  # our packages' own errors say what to do next
        _say(str(fault), str(hint))
        sys.exit(USAGE)
    if os.environ.get("BAILIWICK_TRACEBACK"):
        raise fault
    _say(f"a fault of ours: {type(fault).__name__}: {fault}", "set BAILIWICK_TRACEBACK=1 and report what it shows")
    sys.exit(FAULT)


def _say(error: str, hint: str | None = None) -> None:
    from audit.exports.text import shown

    click.echo("\n".join(shown(line, 10_000) for line in f"error: {error}".split("\n")), err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


if __name__ == "__main__":
    main()
