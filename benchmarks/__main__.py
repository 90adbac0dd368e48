"""`python -m benchmarks`: each table and figure of the paper by one command."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks import paper, records, report, weights
from benchmarks.aggregate import as_csv
from benchmarks.data import load
from benchmarks.experiments import speed, table6
from benchmarks.files import write_keeping_old
from benchmarks.mnist_run import MnistRun

DEFAULT_OUT = Path("runs")


def positive(text: str) -> int:
    """An argument that is an integer >= 1."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, received {text}")
    return value


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    table = commands.add_parser("table6", help="characteristics of the twelve regularizers (Table 6)")
    table.add_argument("--trials", type=positive, default=1, help="networks per regularizer (default 1)")
    table.add_argument("--epochs", type=positive, default=table6.Settings().run.epochs, help="default %(default)s")
    table.add_argument("--jobs", type=positive, default=None, help="processes (default: one per core)")
    table.add_argument(
        "--weights",
        choices=("kept", "search"),
        default="kept",
        help="loss weights: those kept in the repository, or a new search on the validation set (Appendix D.1)",
    )
    table.add_argument("--search-trials", type=positive, default=5, help="networks per weight searched (default 5)")
    table.add_argument("--data", default="mnist", help="mnist, or a name of tensorflow-datasets")
    table.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of results and records (default runs)")
    table.add_argument("--smoke", action="store_true", help="one epoch on 2,000 samples: does it run?")
    table.add_argument("--quiet", action="store_true", help="no progress bars")
    ratio = commands.add_parser("speed", help="times side by side: penalties, training steps, epochs")
    ratio.add_argument("--repeats", type=positive, default=5, help="turns that each takes (default 5)")
    ratio.add_argument("--only", choices=speed.PARTS, default=None, help="one of the parts (default: all)")
    ratio.add_argument(
        "--clock",
        choices=speed.CLOCKS,
        default="wall",
        help="wall clock, or on a machine that others use too the processor time of this process",
    )
    ratio.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of results (default runs)")
    ratio.add_argument("--smoke", action="store_true", help="smallest sizes and two turns: does it run?")
    return top


def run_table6(arguments: argparse.Namespace) -> int:
    """Train, print, and write Table 6."""
    out = _folder(arguments)
    run = MnistRun("Baseline", 0.0, seed=1, epochs=arguments.epochs, dataset=arguments.data)
    if arguments.smoke:
        run = replace(run, epochs=1, samples=2000)
    settings = table6.Settings(
        trials=arguments.trials,
        run=run,
        jobs=arguments.jobs or -1,
        quiet=arguments.quiet,
    )
    folder = out / "records"
    # A data set that is not there is one error here, not one in every run.
    load(run.dataset)
    written = []
    printed = paper.table6()
    if arguments.weights == "search":
        near = printed if run.dataset == "mnist" else None
        found = weights.search_weights(
            run, arguments.search_trials, folder, near, jobs=settings.jobs, quiet=settings.quiet
        )
        written.append(_write(out / "table6_weights.csv", as_csv(found)))
        chosen = weights.picked(found, "chosen")
        written.append(_write(out / "table6_weights.md", weights.as_markdown(found)))
        by_validation = table6.measure_table(settings, weights.picked(found, "best"), folder)
        written.append(_write(out / "table6_by_validation.csv", as_csv(by_validation)))
        text = report.as_markdown(by_validation, printed, table6.COLUMNS)
        written.append(_write(out / "table6_by_validation.md", text))
    else:
        chosen = weights.kept_weights()
    rows = table6.measure_table(settings, chosen, folder)
    if not any(row["trials"] for row in rows):
        print(f"No run finished; their records in {folder} say why.", file=sys.stderr)
        return 1
    setting = (
        f"{run.dataset}, {run.samples or 'all'} training samples, {run.epochs} epochs, {settings.trials} trial(s), "
        f"Adam {run.learning_rate:g}, batch {run.batch_size}; "
        + records.environments(folder, list(table6.runs_of(settings, chosen)))
    )
    png = report.scatter_png(rows, printed, table6.COLUMNS)
    page = report.as_html(
        rows,
        printed,
        table6.COLUMNS,
        title="Table 6: characteristics of representations",
        claim=table6.CLAIM,
        setting=setting,
        png=png,
    )
    written.append(_write(out / "table6.csv", as_csv(rows)))
    written.append(_write(out / "table6.html", page))
    written.append(_write(out / "table6.png", png))
    written.append(_write(out / "table6.md", report.as_markdown(rows, printed, table6.COLUMNS)))
    print(f"\nTable 6 (each cell: measured | paper)\n\n{report.as_text(rows, printed, table6.COLUMNS)}\n")
    print(f"{setting}\nWritten: {', '.join(str(path) for path in written)}; records of the runs in {folder}")
    failed = len(rows) * settings.trials - sum(row["trials"] for row in rows)
    if failed:
        print(f"{failed} run(s) did not finish; their records in {folder} say why.", file=sys.stderr)
    return 1 if failed else 0


def run_speed(arguments: argparse.Namespace) -> int:
    """Time, print, and write the ratios, a part after the other."""
    out = _folder(arguments)
    repeats = 2 if arguments.smoke else arguments.repeats
    written = []
    for part in speed.PARTS if arguments.only is None else (arguments.only,):
        rows, text, markdown = speed.measure(part, repeats, arguments.clock, smoke=arguments.smoke)
        print(f"\n{text}\n", flush=True)
        written.append(_write(out / f"speed_{part}.csv", as_csv(rows)))
        written.append(_write(out / f"speed_{part}.md", markdown))
    print(f"{records.in_words(records.environment())}; {arguments.clock} clock")
    print(f"Written: {', '.join(str(path) for path in written)}")
    return 0


def _folder(arguments: argparse.Namespace) -> Path:
    """Where results go; made at once, so that a place that cannot be written to costs no training."""
    out: Path = arguments.out / "smoke" if arguments.smoke else arguments.out
    out.mkdir(parents=True, exist_ok=True)
    return out


def _write(path: Path, content: str | bytes) -> Path:
    kept = write_keeping_old(path, content)
    if kept is not None:
        print(f"{path} was there with other content, which is now {kept}.")
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 2 and one line for input that cannot be used."""
    parsed = parser().parse_args(arguments)
    try:
        return run_table6(parsed) if parsed.command == "table6" else run_speed(parsed)
    except (ValueError, OSError) as error:
        print(f"python -m benchmarks: {error}", file=sys.stderr)
        return 2
    except BrokenExecutor:
        print(
            "python -m benchmarks: a worker process was killed, for want of memory perhaps. What has finished is "
            "recorded; the same command continues, with fewer --jobs if need be.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What has finished is recorded; the same command continues.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
