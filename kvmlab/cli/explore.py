"""`kvmlab explore`: every interleaving of a small system under one policy, or under all of them."""

from __future__ import annotations

import argparse

from kvmlab.cli.arguments import add_json
from kvmlab.cli.output import Output, error_note, print_json
from kvmlab.cli.progress import ProgressLine
from kvmlab.kvm.config import NAMED, describe, parse_config
from kvmlab.kvm.exploration import Exploration, Violation
from kvmlab.kvm.explore import ENGINES, explore, policy_matrix
from kvmlab.kvm.policies import POLICIES, find_policy
from kvmlab.kvm.policy_table import cell
from kvmlab.kvm.search_bound import DEFAULT_BOUND

EPILOG = """\
configurations:
  A  one anonymous page, one zap         T  a tail of a non-compound block behind PFNMAP, good driver
  R  a refcounted page behind PFNMAP     X  as T, with a driver that frees without unmapping
  or settings: vcpus=2,gfns=2,pages=3,batch=2,zaps=1,driver=good, also behind a name: A,vcpus=2

examples:
  kvmlab explore --policy v11-early-checks --config A
  kvmlab explore --policy all
  kvmlab explore --policy c_69 --config A,follow_up=yes --continue --json
  kvmlab explore --policy refcounted-page --config gfns=2,vcpus=3,pages=2 --threads 2

exit status: 0 done (whatever was found), 2 unusable arguments.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = sub.add_parser(
        "explore",
        help="every interleaving of a small system, with a shortest trace to each broken invariant",
        description="Explore the memory and KVM model exhaustively, breadth first.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(f"{policy.name} ({policy.id})" for policy in POLICIES)
    parser.add_argument("--policy", required=True, metavar="P", help=f"{names}, or all")
    parser.add_argument("--config", default="A", metavar="C", help="a name, or key=value,... (default: A)")
    parser.add_argument("--continue", dest="keep_going", action="store_true", help="keep exploring past violations")
    parser.add_argument("--symmetry", action="store_true", help="count states that differ only in vCPU names as one")
    bound = f"keep at most N states (default: {DEFAULT_BOUND:,}, or what half of the free memory holds)"
    parser.add_argument("--max-states", type=int, metavar="N", help=bound)
    parser.add_argument("--engine", choices=ENGINES, default="auto", help="plain Python, Numba, or what fits (default)")
    parser.add_argument("--threads", type=int, default=1, choices=(1, 2), help="threads of the Numba engine")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explore and print."""
    options = {
        "engine": args.engine, "threads": args.threads, "max_states": args.max_states, "keep_going": args.keep_going,
        "symmetry": args.symmetry,
    }  # fmt: skip
    if args.policy == "all":
        configs = tuple(NAMED) if args.config == "A" else (args.config,)
        with ProgressLine(args.max_states or DEFAULT_BOUND) as progress:
            answers = policy_matrix(configs, progress=progress, **options)
        _note_bounds(*answers.values())
        if args.json:
            print_json({"schema": "kvmlab.policy-matrix/1", "rows": [document(a) for a in answers.values()]})
        else:
            print_matrix(answers, configs)
        return 0
    with ProgressLine(args.max_states or DEFAULT_BOUND) as progress:
        answer = explore(parse_config(find_policy(args.policy), args.config), progress=progress, **options)
    _note_bounds(answer)
    if args.json:
        print_json(document(answer))
    else:
        print_exploration(answer)
    return 0


def _note_bounds(*answers: Exploration) -> None:
    """Say on standard error which explorations have not seen everything."""
    cut = [answer for answer in answers if not answer.complete]
    if cut:
        under = "" if len(answers) == 1 else " under " + ", ".join(dict.fromkeys(a.config.policy.name for a in cut))
        error_note(f"the bound of {cut[0].bound:,} states was reached{under}; what was not found may still be there")


def _violation(violation: Violation) -> dict[str, object]:
    return {
        "invariant": violation.invariant.id,
        "name": violation.invariant.name,
        "statement": violation.invariant.statement,
        "depth": violation.depth,
        "trace": [
            {"step": step.step, "actor": step.actor, "action": step.action, "detail": step.detail}
            for step in violation.trace
        ],
    }


def document(answer: Exploration) -> dict[str, object]:
    """The JSON document of an exploration; mere events stand beside the violations.

    Args:
        answer: the exploration.
    """
    return {
        "schema": "kvmlab.explore/1",
        "policy": answer.config.policy.id,
        "policy_name": answer.config.policy.name,
        "config": describe(answer.config),
        "states": answer.states,
        "transitions": answer.transitions,
        "depth": answer.depth,
        "complete": answer.complete,
        "bound": answer.bound,
        "seconds": round(answer.seconds, 6),
        "engine": answer.engine,
        "threads": answer.threads,
        "violations": [_violation(v) for v in answer.violations if v.invariant.is_bug],
        "events": [_violation(v) for v in answer.violations if not v.invariant.is_bug],
    }


def print_exploration(answer: Exploration) -> None:
    """Print counts, what is broken, and each shortest trace."""
    out = Output()
    policy = answer.config.policy
    out.heading(f"{policy.name} ({policy.id}), {policy.releases}")
    whole = "all states" if answer.complete else f"the first states up to the bound of {answer.bound:,}, NOT all"
    out.text(
        f"{answer.states:,} states, {answer.transitions:,} transitions, {whole}; "
        f"{answer.seconds:.3f} s, {answer.engine}" + (f", {answer.threads} threads" if answer.threads > 1 else "")
    )
    out.text()
    if not answer.violations:
        out.text("no invariant is broken" if answer.complete else "nothing broken so far; that is no proof")
        return
    out.table(
        ("invariant", "steps", "name", "what must hold"),
        [(v.invariant.id, v.depth, v.invariant.name, v.invariant.statement) for v in answer.violations],
        styles=["bold red" if v.invariant.is_bug else "" for v in answer.violations],
    )
    for violation in answer.violations:
        out.text()
        out.heading(f"{violation.invariant.label}: shortest trace")
        out.table(
            ("step", "actor", "action", "detail", "what happens"),
            [(step.step, step.actor, step.action, step.detail, step.does) for step in violation.trace],
        )


def print_matrix(answers: dict[tuple[str, str], Exploration], configs: tuple[str, ...]) -> None:
    """Print the violation matrix: a row a policy, a column a configuration."""
    out = Output()
    rows = [(p.name, p.id, *(cell(answers[p.id, config]) for config in configs)) for p in POLICIES]
    out.heading("Broken invariants and steps of the shortest trace; events that are no bugs stand by their names")
    out.table(("policy", "id", *configs), rows)
