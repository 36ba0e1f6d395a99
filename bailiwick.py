"""The `bailiwick` command: verbs, found by name and imported only when called, so that a cold start stays short.

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
    "serve": ("webhook.verbs.serve:serve", "run the admission webhook"),
    "demo": ("webhook.verbs.demo:demo", "watch real manifests being judged, no cluster needed"),
    "doctor": ("webhook.verbs.doctor:doctor", "look for what would keep the webhook from working, and say what to do"),
    "audit": ("audit.verbs:audit", "verify and export the log of decisions"),
    "completion": ("bailiwick:completion", "print the shell completion script"),
}


class Verbs(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module, _, attribute = VERBS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in VERBS:
            raise click.UsageError(f"no command `{args[0]}`{_meant(args[0])}", ctx)
        return super().resolve_command(ctx, args)


def _meant(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, VERBS, 1)
    return f": did you mean `{close[0]}`?" if close else ""


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bailiwick")
def command() -> None:
    """Decide for every AI workload that enters a Kubernetes cluster whether it may run there, and prove it."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL; put it where your shell reads such scripts."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None  # the three shells of the choice are click's own
    click.echo(found(command, {}, "bailiwick", "_BAILIWICK_COMPLETE").source())


def main() -> None:
    """Run the command and leave with one of its four exit codes."""
    try:
        command(prog_name="bailiwick", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        _say("stopped")
        sys.exit(USAGE)
    except click.ClickException as mistake:
        _say(mistake.format_message(), getattr(mistake, "hint", None) or _usage_hint(mistake))
        sys.exit(mistake.exit_code if mistake.exit_code != VIOLATIONS else USAGE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever reads has read enough
        sys.exit(HOLDS)
    except Exception as fault:  # noqa: BLE001  # the last resort: every mistake of a user is one of the above
        _fault(fault)


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
    click.echo(f"error: {error}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


if __name__ == "__main__":
    main()
