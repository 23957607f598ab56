"""Commands about labelled images: download, describe, demo and evaluate."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionflow.cli.help import command, option
from lesionflow.cli.options import LATER, cache_option, options_of, report_option, tracking_uri_option, truth_option
from lesionflow.cli.streams import warn
from lesionflow.cli.values import FILE, FOLDER, LABELLED, MODEL, PATH, Number, Words
from lesionflow.datasets.label_words import UNKNOWN_REMARK, LabelSetConfig, UnknownWordsError
from lesionflow.dataverse.config import TERMS, DownloadConfig
from lesionflow.diagnoses import read_label_set
from lesionflow.errors import DataError, ReportError, UsageError, counted, os_errors_as
from lesionflow.evaluation.config import EvaluationConfig
from lesionflow.options import FILES, check_needed, option_name

if TYPE_CHECKING:
    from lesionflow.model.card import Estimate


@command(short_help="Download HAM10000, checked and unpacked.")
@click.argument("folder", type=PATH)
@options_of(DownloadConfig)
def download(folder: Path, accept_licence: bool, **options: Any) -> None:
    """Download HAM10000, ready for training.

    Downloads about 3 GB from Harvard Dataverse into FOLDER, for 'lesionflow train --data FOLDER'; unpacking needs twice
    that on the disk. Digests are checked. After an interruption, run the same command again: complete files are not
    downloaded a second time. Archives that you downloaded with a browser are used if they are in FOLDER. Proxies are
    taken from HTTPS_PROXY and NO_PROXY.

    Exits with 1 if the download failed, 2 for wrong usage or where the licence was not accepted, 130 or 143 if it was
    interrupted or terminated.

    \b
    Example:
      lesionflow download ./HAM10000 --accept-licence
    """
    from lesionflow.api.download import download

    DownloadConfig(**options)  # fail on wrong options before asking about the licence
    if not accept_licence and sys.stdin.isatty():
        click.echo(TERMS, err=True)
        accept_licence = click.confirm("Accept?", err=True)
    elif accept_licence:
        click.echo(TERMS, err=True)
    found = download(folder, accept_licence=accept_licence, **options)
    warn(found.warnings)
    done = f"fetched {', '.join(found.fetched)}" if found.fetched else "everything was there already"
    click.echo(f"{counted(found.images, 'image')} of {counted(found.lesions, 'lesion')} in {found.folder}; {done}")
    what = "train --data" if options["part"] == "training" else "evaluate pretrained"
    click.echo(f"next: lesionflow {what} {shlex.quote(str(found.folder))}")


_WITH_REPORT = ("labels", "resamples", "overwrite", "tracking_uri")  # of the options of an evaluation
SHOW = ""  # the value of `--labels` without a file


@command(short_help="Describe labelled images: counts, gaps, copies.")
@click.argument("data", type=LABELLED, required=False)
@option(
    "--labels", type=Words((FILES,)), is_flag=False, flag_value=SHOW, metavar="[FILE]",
    help="YAML file that says which diagnosis each word of the data means; without a file, print such a file and stop.",
)  # fmt: skip
@options_of(LabelSetConfig)
@option(
    "--out", default=Path("description"), show_default=True, type=FOLDER, metavar="FOLDER",
    help="Folder for description.json and description.html.",
)  # fmt: skip
@option("--overwrite", is_flag=True, help="Overwrite an existing description.")
@cache_option
@click.pass_context
def describe(
    ctx: click.Context,
    data: str | None,
    labels: str | None,
    diagnoses: str,
    out: Path,
    overwrite: bool,
    cache: Path | None,
) -> None:
    """Describe labelled images, a HAM10000 folder or 'demo': their contents, missing values and copies.

    Counts diagnoses, lesions, metadata and files, and compares all pairs of images, also rotated and mirrored: copies
    of an image under different lesions would leak from the training part into the test part.

    \b
    Example:
      lesionflow describe /path/to/HAM10000 --out description
      lesionflow describe /path/to/PAD-UFES-20 --labels > labels.yaml
      lesionflow describe /path/to/PAD-UFES-20 --labels labels.yaml
      lesionflow describe /path/to/PAD-UFES-20 --diagnoses pad-ufes-20
    """
    from lesionflow.api.describe import describe, describe_labels

    if data is None and labels is not None and labels != SHOW:
        data, labels = labels, SHOW  # `--labels DATA`
    if labels == SHOW:
        for name in ("out", "overwrite"):
            if _is_typed(ctx, name):
                told = "--labels without a file prints one and stops; leave one of the two out"
                raise UsageError(f"{option_name(name)}: {told}")
        click.echo(describe_labels(data, diagnoses=diagnoses, cache=cache), nl=False)
        return
    if data is None:
        raise UsageError("give a folder or a table of labelled images, or 'demo'; --labels alone shows known words")
    try:
        description = describe(data, out, labels=labels, diagnoses=diagnoses, overwrite=overwrite, cache=cache)
    except (UnknownWordsError, ReportError) as error:
        # Such as a file that names columns alone: what it lacks is shown, to be filled in, wherever --out is.
        shown = describe_labels(data, labels=labels, diagnoses=diagnoses, cache=cache) if labels else ""
        if UNKNOWN_REMARK not in shown:
            raise
        click.echo(shown, nl=False)
        told = "nothing was described: fill in the words marked UNKNOWN, and give that file as --labels"
        raise DataError(told) from error
    total = len(description.images.table)
    click.echo(
        f"{description.images.description}: {counted(total, 'image')} of {counted(description.lesions, 'lesion')}"
    )
    width = max(6, *(1 + len(name) for name in description.diagnoses))
    for diagnosis, counts in sorted(description.diagnoses.items(), key=lambda item: -item[1]["images"]):
        share = counts["images"] / total
        images, lesions = (counted(counts[f"{thing}s"], thing).split(" ") for thing in ("image", "lesion"))
        click.echo(f"  {diagnosis:{width}}{images[0]:>8} {images[1]:6}  {share:6.1%}{lesions[0]:>8} {lesions[1]}")
    for finding in description.findings:
        if finding.warning:
            click.secho(f"WARNING: {finding.text}", fg="yellow", bold=True)
        else:
            click.echo(finding.text)
    click.echo(f"look at {out / 'description.html'}")


@command(short_help="Measure a model on labelled images, with intervals.")
@click.argument("model", type=MODEL, required=False)
@click.argument("data", type=LABELLED, required=False)
@option(
    "--out", type=FOLDER, metavar="FOLDER", unset="no files", help="Folder for page, metrics and figures: a new one."
)
@report_option("Report of 'lesionflow score' to measure; nothing is scored.")
@truth_option
@option(
    "--sampled", type=FILE, group=LATER, metavar="FILE",
    help="Table of the sampled images: path and chance; each image is then weighted by the inverse of its chance.",
)  # fmt: skip
@options_of(EvaluationConfig)
@tracking_uri_option
@cache_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    model: str | None,
    data: str | None,
    out: Path | None,
    report: Path | None,
    truth: Path | None,
    sampled: Path | None,
    **options: Any,
) -> None:
    """Measure a model on labelled images, with 95 % intervals from a bootstrap over lesions.

    AUC and average precision of fewer than five lesions have no interval, and diagnoses with few images are named.

    DATA is a HAM10000 folder, a table (CSV, Excel, Parquet or JSON lines) with the columns path and diagnosis (and
    lesion_id, patient_id, age, sex, localization, dx_type, if known; with paths relative to the table), a folder with a
    folder for each diagnosis, a download of isic-cli, ISIC 2016 or 2017 part 3, 2018 Task 3, 2019, 2020 or 2024,
    MILK10k, BCN20000, PAD-UFES-20, Derm7pt, PH2, MED-NODE, DDI, Fitzpatrick17k, a Hugging Face image folder or Parquet
    files with the images, a zip archive of any of these, or 'demo'. MODEL is models:/NAME@ALIAS, models:/NAME/VERSION,
    pretrained (which comes with lesionflow) or the folder of a bundle. On the data that a model was trained on, the
    test part of its own split is measured, also if its files were resized since.

    With --report and --truth instead of MODEL and DATA, a report of 'lesionflow score' is measured by diagnoses that
    came later; images are joined by path, or by file name if no path matches. If the registry has the report's model,
    images that it was trained on are named. That takes seconds: nothing is scored. Otherwise it takes many times
    as long as scoring, since the page also shows what changed images get and what calls depend on.

    \b
    Example:
      lesionflow evaluate models:/lesionflow@champion /path/to/HAM10000
      lesionflow evaluate pretrained ./labelled.csv --out evaluation
      lesionflow evaluate --report results.csv --truth labels.csv
    """
    if report or truth or sampled:
        if not (report and truth) or model or data:
            raise UsageError("give --report and --truth, both and without MODEL and DATA: the report names its model")
        for name in options:
            if name not in _WITH_REPORT and _is_typed(ctx, name):
                raise UsageError(f"{option_name(name)} is about scoring, which --report does not do; leave it out")
        from lesionflow.api.later_truth import PAGE_FILE, evaluate_report

        chosen = {name: options[name] for name in _WITH_REPORT}
        measured = evaluate_report(report, truth, out, sampled=sampled, **chosen)
        _print_metrics(measured.about, measured.metrics, measured.truth.notes)
        if out is not None:
            click.echo(f"look at {out / PAGE_FILE}")
        return
    if model is None or data is None:
        raise UsageError("give MODEL and DATA; or --report and --truth, to measure what was scored already")
    if _is_typed(ctx, "experiment"):  # a variable names it for other commands, too
        check_needed("--experiment", "--log", options)
    from lesionflow.api.evaluate import evaluate
    from lesionflow.evaluation.evaluate import PAGE_FILE
    from lesionflow.evaluation.shift import shift_told
    from lesionflow.evaluation.stability import stability_told
    from lesionflow.pages import sentence

    found = evaluate(model, data, out, **options)
    _print_metrics(found.about, found.metrics, found.all_warnings)
    if found.shift:
        click.echo(sentence(shift_told(found.shift, found.unit)))
    if found.stability:
        click.echo(sentence(f"of {found.stability.measured}, {stability_told(found.stability.metrics())}"))
    if out is not None:
        click.echo(f"look at {out / PAGE_FILE}")


def _is_typed(ctx: click.Context, name: str) -> bool:
    """Whether an option is on the command line, not a variable or the default."""
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _print_metrics(about: str, metrics: Mapping[str, Estimate], warnings: Sequence[str]) -> None:
    from lesionflow.evaluation.metrics import FLAG_AND_CALL, ends

    warn(warnings)
    click.echo(about)
    for name, estimate in metrics.items():
        click.echo(f"  {name:38}{estimate.value:8.4f}   {ends(estimate, '.4f')}")
    if {"malignant_sensitivity", "sensitivity_malignant"} <= metrics.keys():
        click.echo(FLAG_AND_CALL)


@command(short_help="Generate a synthetic data set laid out like HAM10000.")
@click.argument("folder", type=PATH)
@option(
    "--images", type=Number(int, 100, 100_000), metavar="N", default=900, show_default=True, help="Number of images."
)
@option("--seed", type=Number(int, 0), metavar="N", default=0, show_default=True, help="Seed of the lesions.")
@options_of(LabelSetConfig)
def demo(folder: Path, images: int, seed: int, diagnoses: str) -> None:
    """Generate a synthetic data set laid out like HAM10000, for trying out lesionflow.

    \b
    Example:
      lesionflow demo ./moles --images 300
      lesionflow demo ./moles --diagnoses binary
    """
    from lesionflow.datasets.demo.demo_set import draw_demo_set

    with os_errors_as(DataError, f"{folder}: cannot be written", "choose a new folder"):
        draw_demo_set(folder, images=images, seed=seed, label_set=read_label_set(diagnoses))
    click.echo(f"{images} synthetic images in {folder}")
