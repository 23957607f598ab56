"""The pages of the reference, made from the code: what is not documented there is not documented here.

Each function gives one page as Markdown. Whoever builds the site calls `pages`.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import re
import sys
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import click
from formats import IMAGE_FORMATS, ImageFormat

import lesionflow
from lesionflow.cli import main
from lesionflow.diagnoses import BUILT_IN, HAM10000, LabelSet
from lesionflow.errors import IMAGE_FAILURES
from lesionflow.evaluation.metrics import INTERVAL_RULE, OF_DIAGNOSIS, TABLE, Better, Metric, Place, shown_at
from lesionflow.images import discovery
from lesionflow.images.limits import MAXIMUM_PIXELS, MAXIMUM_STORED_PIXELS
from lesionflow.model.card import Calibration, Card
from lesionflow.training.config import FROM_A_MODEL, NETWORKS, PRESETS, preset_of


def pages(root: Path) -> dict[str, str]:
    """Every page of the reference by its place in the site; root: the project's folder."""
    return {
        "reference/commands.md": commands_page(),
        "reference/presets.md": presets_page(),
        "reference/report.md": report_page((root / "batch" / "README.md").read_text()),
        "reference/label_sets.md": label_sets_page(),
        "reference/formats.md": formats_page(),
        "reference/metrics.md": metrics_page(),
        "reference/card.md": card_page(),
        "reference/python.md": python_page(),
    }


def commands_page() -> str:
    """Every command with its options, in the order and under the headings that `--help` gives them."""
    top = click.Context(main, info_name="lesionflow", **main.context_settings)
    overview = _Sections(width=200)
    main.format_commands(top, overview)
    parts = ["# Commands", help_as_markdown(main.help or "")]
    parts += [
        "[Exit codes](../how_to/configure.md#exit-codes): 0 success, 1 failure, 2 wrong usage; some have more.",
        _table(
            ("command", "what it does"),
            [
                (f"[`{name.strip()}`](#{name.strip()})", _in_cell(told))
                for _, rows in overview.sections
                for name, told in rows
            ],
        ),
    ]
    for name in (name.strip() for _, rows in overview.sections for name, _ in rows):
        command = main.commands[name]
        context = click.Context(command, info_name=name, parent=top, **command.context_settings)
        usage = " ".join(["lesionflow", name, *command.collect_usage_pieces(context)])
        parts += [f"## lesionflow {name} {{ #{name} }}", f"```text\n{usage}\n```", help_as_markdown(command.help or "")]
        variables = {parameter.opts[0]: parameter.envvar for parameter in command.params if parameter.envvar}
        for heading, rows in option_sections(command, context):
            shown = [_option_row(name, names, about, variables) for names, about in rows]
            parts += [f"**{heading}**", _table(("option", "meaning"), shown)]
    return "\n\n".join(parts) + "\n"


def option_sections(command: click.Command, context: click.Context) -> list[tuple[str, list[tuple[str, str]]]]:
    """The sections of a command's help below its text: heading, and rows of options and their meaning."""
    formatter = _Sections()
    command.format_options(context, formatter)
    return formatter.sections


class _Sections(click.HelpFormatter):
    """Takes note of what a command would print, instead of laying it out."""

    def __init__(self, width: int = 80) -> None:
        super().__init__(width=width)
        self.sections: list[tuple[str, list[tuple[str, str]]]] = []

    @contextlib.contextmanager
    def section(self, name: str) -> Iterator[None]:
        self.sections.append((name, []))
        yield

    def write_dl(self, rows: Any, *_: Any, **__: Any) -> None:
        self.sections[-1][1].extend(rows)


def option_anchor(command: str, option: str) -> str:
    """Where the page of commands has an option: `train--epochs`."""
    return f"{command}{option}"


def _option_row(command: str, names: str, meaning: str, variables: dict[str, Any]) -> tuple[str, str]:
    options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", names)
    anchors = "".join(f'<a id="{option_anchor(command, option)}"></a>' for option in options)
    also = next((f" Also from `{variables[option]}`." for option in options if option in variables), "")
    return f"{anchors}`{names.strip()}`", _in_cell(meaning) + also


def help_as_markdown(text: str) -> str:
    r"""A docstring that Click shows: paragraphs as they are, those after `\b` as commands to copy."""
    shown = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            title, *lines = paragraph.removeprefix("\b").strip("\n").split("\n")
            shown.append(f"{title}\n\n```bash\n" + inspect.cleandoc("\n".join(lines)) + "\n```")
        else:
            shown.append(_escaped(" ".join(paragraph.split())))
    return "\n\n".join(shown)


def presets_page() -> str:
    """What options that are not given come to, for each network and preset."""
    parts = [
        "# Settings of the presets",
        "The values that `lesionflow train` uses for options that are not given. "
        "[What was tried](../experiments.md) says where they come from. From the weights of a trained model "
        f"(`--start-from MODEL`), {' and '.join(f'`{_flag(name)} {value}`' for name, value in FROM_A_MODEL.items())} "
        "take the place of what is below, and network, width, image size and `--mirrored` are that model's.",
    ]
    names = list(preset_of(next(iter(PRESETS)), NETWORKS[0]))
    for preset in PRESETS:
        rows = [(f"`{network}`", *(f"{preset_of(preset, network)[name]}" for name in names)) for network in NETWORKS]
        links = (f"[`{_flag(name)}`](commands.md#{option_anchor('train', _flag(name))})" for name in names)
        parts += [f"## `--preset {preset}`", _table(("network", *links), rows)]
    return "\n\n".join(parts) + "\n"


def report_page(contract: str) -> str:
    """The contract of the report, which `batch/README.md` states."""
    (found,) = re.findall(r"^## The report's contract\n\n(.*?)(?=^## )", contract, re.M | re.S)
    return (
        "# The report\n\nWhat `lesionflow score` writes, the same to the byte on one machine or several.\n\n"
        f"{found}\n## The diagnoses\n\nThose of the model's [label set](label_sets.md); usually these:\n\n"
        f"{_diagnoses(HAM10000)}\n"
    )


def label_sets_page() -> str:
    """The built-in label sets: their diagnoses, and the words that mean each."""
    parts = [
        "# Label sets",
        "What `--diagnoses` takes by name. [A set of your own](../how_to/your_own_diagnoses.md) is a YAML file. "
        "`lesionflow describe --labels --diagnoses NAME` prints the words of a set as a file for `--labels`.",
    ]
    for name, labels in BUILT_IN.items():
        missed = f" The one not to miss is `{labels.not_to_miss}`." if labels.not_to_miss else ""
        parts += [
            f"## `{name}` {{ #{name} }}",
            f"{len(labels)} diagnoses, after {_escaped(labels.source)}.{missed}",
            _diagnoses(labels),
            "Left out, where a published table has them: " + ", ".join(f"`{word}`" for word in labels.others) + ".",
        ]
    return "\n\n".join(parts) + "\n"


def _diagnoses(labels: LabelSet) -> str:
    rows = [
        (f"`{name}`", labels.full_names[name], "yes" if name in labels.malignant else "no",
         _in_cell(", ".join(labels.aliases.get(name, ()))))
        for name in labels.names
    ]  # fmt: skip
    return _table(("diagnosis", "in full", "malignant", "other words for it"), rows)


def formats_page() -> str:
    """Format by format, what is read and what becomes of it; how a folder is searched; the words for what fails."""
    parts = [
        "# Image formats",
        "The content says what a file is, whatever its name. `score`, `train`, `evaluate`, `describe`, "
        "`explain`, the served "
        "model and the Spark job read images in the same way: scaled until they just cover the network's frame, the "
        "overhang cut evenly, turned as the camera was held (EXIF, XMP), and in sRGB. Where something was converted or "
        "left out, the report's column `note` says so. Memory is bounded: at most "
        f"{MAXIMUM_PIXELS // 10**6} megapixels are decoded of one image, and {MAXIMUM_STORED_PIXELS // 10**6} may be "
        "stored where the decoder scales them down on the way (JPEG, JPEG 2000); what is larger is `too_large`: scale "
        "it down, or save it as JPEG.",
        _table(
            ("format", "endings", "needs"),
            [
                (
                    f"[{each.name}](#{_slug(each.name)})",
                    " ".join(f"`{ending}`" for ending in each.endings),
                    _extra(each),
                )
                for each in IMAGE_FORMATS
            ],
        ),
    ]
    for each in IMAGE_FORMATS:
        told = {"Read": each.read, "Colours": each.colours, "Damaged": each.damage, "Other readers": each.surprise}
        parts += [
            f"## {each.name} {{ #{_slug(each.name)} }}",
            "\n\n".join(f"**{word}:** {_escaped(text)}" for word, text in told.items() if text),
        ]
    searched = inspect.cleandoc(discovery.__doc__ or "").split("\n\n")
    assert searched[2].startswith("- ")
    failures = [(f"`{word}`", _in_cell(meaning)) for word, meaning in IMAGE_FAILURES.items()]
    parts += [
        "## In every format",
        "- An alpha of 0 everywhere is ignored. Other transparency becomes black, as around a dermatoscope's field.\n"
        "- A profile that is sRGB by what it does, whatever its name, changes nothing; one that is broken "
        "or does not fit "
        "is ignored, and the note says so.\n"
        "- What a transfer changed is `damaged`, though it may begin like no image: line ends or bytes beyond ASCII "
        "that were converted, text in front of it, zeros in place of its beginning or of everything.\n"
        "- Numbers without a brightness of their own (floats, 32 bits, signed samples outside of grey DICOM) are "
        "`unsupported`.",
        "## Which files of a folder are images { #folders }",
        searched[2],
        "## What can be wrong with an image { #failures }",
        _table(("word", "meaning"), failures),
    ]
    return "\n\n".join(parts) + "\n"


def _extra(image_format: ImageFormat) -> str:
    return f"`pip install 'lesionflow[{image_format.extra}]'`" if image_format.extra else ""


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def metrics_page() -> str:
    """Every metric: its name in cards, evaluations and MLflow, and what it is called in words."""
    shown = [entry for entry in TABLE if isinstance(entry, Metric)]
    lower = ", ".join(f"`{metric.name}`" for metric in shown if metric.better is Better.LOWER)
    *more, last = (f"`{metric.name}`" for metric in shown if metric.better is Better.NEITHER)
    neither = f"{', '.join(more)} and {last}"
    better = f"\n\nLower is better for {lower}. {neither} are neither good nor bad; higher is better for the rest."
    overall = [(f'<a id="{metric.name}"></a>`{metric.name}`', _in_cell(metric.display_name)) for metric in shown]
    by_diagnosis = [
        (f'<a id="{metric.name}"></a>`{metric.name}_DIAGNOSIS`', metric.display_name) for metric in OF_DIAGNOSIS
    ]
    return (
        "\n\n".join(
            [
                "# Metrics",
                "A bundle's card, `metrics.json` of an evaluation and, after the name of the part, MLflow use these "
                "names. MLflow also has "
                + ", ".join(sorted(f"`{metric.name}`" for metric in shown_at(Place.DECIDING)))
                + " of validation under `deciding/`, which it shows first. Metrics have 95 % intervals from a "
                f"bootstrap over lesions. {INTERVAL_RULE}" + better,
                _table(("name", "in words"), overall),
                "For each diagnosis against the rest:",
                _table(("name", "in words"), by_diagnosis),
                "## How they are defined",
                "::: lesionflow.evaluation.measure.metric_values",
                "::: lesionflow.evaluation.measure.measure",
            ]
        )
        + "\n"
    )


def card_page() -> str:
    """The fields of a bundle's card and of the calibrations in it."""
    parts = [
        "# The card of a bundle",
        "A bundle is a folder: the network as an ONNX graph, its Keras file, its predictions for the validation part, "
        "digests of what it was trained on, a hash of each training image, and `card.json`. The card has the digest of "
        "every other file, and one of itself; a bundle with a file that differs is refused.",
    ]
    for heading, kind in (("`card.json`", Card), ("Each of its `calibrations`", Calibration)):
        rows = [
            (f'<a id="{kind.__name__.lower()}-{name}"></a>`{name}`', f"`{annotation}`", _in_cell(meaning))
            for name, annotation, meaning in fields_of(kind)
        ]
        parts += [f"## {heading}", _in_cell(inspect.getdoc(kind) or ""), _table(("field", "type", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def fields_of(kind: type) -> list[tuple[str, str, str]]:
    """A dataclass's fields: name, type and the comment behind or above it, which is where their meaning stands."""
    source = inspect.cleandoc(inspect.getsource(kind))
    comments = {  # by the line that they stand behind, or above
        token.start[0] + token.line.lstrip().startswith("#"): token.string.lstrip("# ")
        for token in tokenize.generate_tokens(StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (body,) = (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return [
        (node.target.id, ast.unparse(node.annotation), comments.get(node.end_lineno or 0, ""))
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


def python_page() -> str:
    """What is called from Python: what `lesionflow` itself has, and the verb of every command."""
    parts = [
        "# From Python",
        "Every command except `demo` and `completion` is a function of the same name, with the same options, which "
        "returns what it found and raises a `LesionflowError` that says what is wrong. Options are a configuration "
        "object, keywords with underscores, or both, in which case keywords take precedence. Progress goes to "
        "`console`, a `rich.console.Console`, stderr by default; `Console(quiet=True)` is silent. Heavy packages are "
        "imported by the functions that need them.",
    ]
    shown = (f"::: {path}\n    options:\n      heading: {name}" for path, name in python_names().items())
    return "\n\n".join([*parts, *shown]) + "\n"


def python_names() -> dict[str, str]:
    """Public functions and classes, where they are defined -> what to import: those of `lesionflow`, then the api."""
    found: dict[str, str] = {}
    for name in getattr(lesionflow, "__all__", ()):
        offered = getattr(lesionflow, name)
        if inspect.isfunction(offered) or inspect.isclass(offered):
            found.setdefault(f"{offered.__module__}.{offered.__qualname__}", f"lesionflow.{name}")
    for name in sorted(main.commands):
        with contextlib.suppress(ModuleNotFoundError):  # a command without a verb of its own, such as `demo`
            verb = getattr(importlib.import_module(f"lesionflow.api.{name}"), name)
            found.setdefault(f"{verb.__module__}.{verb.__qualname__}", f"lesionflow.api.{name}.{name}")
    return found


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _in_cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Plain text in which Markdown sees nothing but options, in the letters of code."""
    parts = re.split(r"(`[^`]*`)", text)
    for place in range(0, len(parts), 2):
        plain = re.sub(r"([\\*_<>\[\]])", r"\\\1", parts[place])
        parts[place] = re.sub(r"(?<![\w-])(--[a-z][a-z-]*[a-z])", r"`\1`", plain)
    return "".join(parts)


if __name__ == "__main__":
    made = {Path(place).stem: text for place, text in pages(Path(__file__).parents[2]).items()}
    if len(sys.argv) != 2 or sys.argv[1] not in made:
        sys.exit(f"name one page of {', '.join(made)}")
    print(made[sys.argv[1]])
