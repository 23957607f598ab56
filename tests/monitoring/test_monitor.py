"""`lesionflow monitor` on reports: what raises an alarm and what does not, limits, bad input, and its page."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.api.monitor import monitor
from lesionflow.errors import DataError, UsageError
from lesionflow.model.prediction import Row
from lesionflow.monitoring.limits import read_limits
from lesionflow.monitoring.nights import read_nights
from lesionflow.registry.versions import resolve
from lesionflow.scoring.report import ReportLayout
from tests.conftest import error_line, invoke
from tests.contenders import NAME, answers, write_bundle
from tests.evaluation.made_up import made_up
from tests.monitoring.conftest import Write
from tests.scoring.write_report import write_report


def nights_of(out: Path) -> list[dict[str, Any]]:
    values = json.loads((out / "nights.json").read_text(), parse_constant=pytest.fail)
    nights: list[dict[str, Any]] = values["nights"]
    return nights


def watch(*reports: Path, out: Path, code: int = 0, options: tuple[str, ...] = ()) -> tuple[str, list[dict[str, Any]]]:
    result = invoke(
        "monitor", *map(str, reports), "--out", str(out), "--reference-nights", "4", "--overwrite", *options
    )
    assert result.exit_code == code, result.output
    return result.stdout, nights_of(out)


def alarms(night: dict[str, Any]) -> set[str]:
    return {alarm["value"] for alarm in night["alarms"]}


def test_normal_nights_raise_no_alarm_and_others_do(
    normal_nights: list[Path], write_night: Write, tmp_path: Path
) -> None:
    strange = write_night("strange", 90, unfamiliar=0.3)
    unsure = write_night("unsure", 91, doubt=0.4)
    told, nights = watch(*normal_nights, strange, unsure, out=tmp_path, code=4)
    assert [sorted(alarms(night)) for night in nights[:8]] == [[]] * 8
    assert [night["is_reference"] for night in nights] == [True] * 4 + [False] * 6
    assert alarms(nights[8]) == {"share/unfamiliar"}
    assert {"probability", "expected_accuracy"} <= alarms(nights[9])
    assert "10 nights, 2 with an alarm: unsure, strange\n" in told and "ALARM: unsure: expected accuracy is" in told
    page = (tmp_path / "nights.html").read_text()
    (listed,) = re.findall(r"<dt>unsure</dt><dd>(.*?)</dd>", page, re.S)
    assert sorted(html.unescape(listed).splitlines()) == sorted(alarm["text"] for alarm in nights[9]["alarms"])
    assert listed.startswith("expected accuracy is")
    assert page.count("<svg") > 20 and 'class="alarm"' in page and "What waits for review" in page
    for chart in page.split("<svg")[1:]:  # also where all values are the same
        lines = re.findall(r'text-anchor="end">([\d.,%-]+)<', chart)
        assert len({*lines}) == len(lines) > 1, lines
    assert "<script" not in page and "strange: 30" not in page
    head = page[: page.index("Last night: unsure")]
    assert "unsure: expected accuracy is" in head and f"{len(nights[9]['alarms']) - 4} more alarms" in head


def test_a_night_without_images_is_told_and_costs_no_other(
    normal_nights: list[Path], write_night: Write, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text(normal_nights[0].read_text().splitlines()[0] + "\n")
    broken = write_night("broken", 92, failed=60)
    _, nights = watch(*normal_nights[:5], empty, broken, out=tmp_path / "out", code=4)
    assert alarms(nights[5]) == {"images"} and nights[5]["estimates"] == {}
    assert alarms(nights[6]) == {"failed"} and nights[6]["failed"] == 60
    result = invoke("monitor", str(empty), "--out", str(tmp_path / "none"))
    assert result.exit_code == 1 and "none of the nights has an image" in error_line(result)


def test_images_of_one_lesion_are_one_piece_of_evidence(write_night: Write, tmp_path: Path) -> None:
    """The same strange lesion photographed a hundred times is one, and no alarm; as a hundred lesions it is one."""
    usual = [write_night(f"usual{number}", 200 + number) for number in range(5)]
    header, *lines = usual[4].read_text().splitlines()
    cells = next(line for line in lines if ",unfamiliar," not in line).split(",")
    cells[header.split(",").index("refer")] = "unfamiliar"
    for name, lesion, expected in (("one", "the same", set()), ("many", "lesion {}", {"share/unfamiliar"})):
        cells[1] = lesion
        copies = [",".join(cells).format(number) for number in range(100)]
        file = tmp_path / f"{name}.csv"
        file.write_text("\n".join([header, *lines, *copies]) + "\n")
        _, nights = watch(*usual[:4], file, out=tmp_path / "out", code=4 if expected else 0)
        assert "share/unfamiliar" in alarms(nights[4]) if expected else not alarms(nights[4])


def test_an_alarm_names_the_share_of_the_page_and_that_of_lesions_and_its_night_as_it_is_called(
    write_night: Write, tmp_path: Path
) -> None:
    usual = [write_night(f"usual{number}", 200 + number) for number in range(5)]
    header, *lines = usual[4].read_text().splitlines()
    refer = header.split(",").index("refer")
    rows = [line.split(",") for line in lines]
    for number, row in enumerate(rows[:60]):  # half of them are two images of one lesion
        row[refer], row[1] = "unfamiliar", f"strange {number // 2 if number < 30 else number}"
    file = tmp_path / "g2.csv"
    file.write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    printed, nights = watch(*usual[:4], file, out=tmp_path / "out", code=4)
    of_all, firsts = nights[4]["values"]["share/unfamiliar"], {row[1]: row[refer] for row in reversed(rows)}
    of_lesions = list(firsts.values()).count("unfamiliar") / len(firsts)
    told = f"g2: share of unfamiliar images is {of_all:.1%}; with one image of each lesion it is {of_lesions:.1%}, in "
    page = (tmp_path / "out" / "nights.html").read_text()
    assert f"{of_all:.1%}" != f"{of_lesions:.1%}" and f"ALARM: {told}" in printed and told in page
    assert "G2" not in page


def test_limits_of_ones_own_decide(normal_nights: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("fewest_images: 5000\nvalues:\n  expected_accuracy: {low: 0.99}\n  share/*: {high: 0.9}\n")
    told, nights = watch(*normal_nights[:5], out=tmp_path / "out", code=4, options=("--limits", str(file)))
    assert "at least 0.99 is required" in told
    assert all(alarms(night) == {"images", "expected_accuracy"} for night in nights)
    values = json.loads((tmp_path / "out" / "nights.json").read_text())
    assert values["limits"]["values"] == {"expected_accuracy": [0.99, None], "share/*": [None, 0.9]}
    file.write_text("values:\n  share/malignant: {high: 0.001}\n")
    told, _ = watch(*normal_nights[:5], out=tmp_path / "out", code=4, options=("--limits", str(file)))
    assert "%, at most 0.1% is allowed" in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sharre: 0.1", "did you mean 'share'"), ("share: much", "not a number from 0 on"),
        ("share: -1", "not a number"),
        ("values: 3", "are tables"), ("values: {images: 3}", "write low, high or both"), ("level:", "to be a number"),
        ("values: {images: {low: 3, high: 1}}", "is above high"), ("[1, 2]", "one limit per line"), ("{", "not YAML"),
        ("level: 2", "level: 2 must be from 0 to 1"), ("failed: 5", "failed: 5 must be"),
        ("fewest_images: 2.5", "not a whole number"), ("distances: {p_mel: 10}", "p_mel: 10 must be"),
        ("values: {share/mel: {high: 20}}", "share/mel: 20 must be"),
    ],
)  # fmt: skip
def test_a_wrong_limit_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "limits.yaml").write_text(text)
    with pytest.raises(UsageError, match=message) as raised:
        read_limits(tmp_path / "limits.yaml")
    assert "\n" not in str(raised.value) and "limits.yaml" in str(raised.value)


def test_too_few_first_nights_are_counted(normal_nights: list[Path]) -> None:
    few = [monitor(normal_nights[:nights], reference_nights=3).notes[0] for nights in (2, 3)]
    told = [note.partition(",")[0].removeprefix("the reference is ") for note in few]
    assert told == ["1 night", "2 nights"]
    assert "nothing to compare the night with yet" in monitor(normal_nights[:1], reference_nights=3).notes[0]


def test_failed_images_of_a_night_by_lesion_raise_the_alarm(normal_nights: list[Path], tmp_path: Path) -> None:
    header, *lines = normal_nights[0].read_text().splitlines()
    for columns, values, code in (
        ("images,images_failed,grouped_by", "1,2,lesion_id", 4), ("images,grouped_by", "1,lesion_id", 0)
    ):  # fmt: skip
        report = tmp_path / "lesions.csv"
        report.write_text("\n".join([f"{header},{columns}", *(f"{line},{values}" for line in lines), ""]))
        told, nights = watch(report, out=tmp_path / "out", code=code)
        assert (alarms(nights[0]) == {"failed"}) is (code == 4) and f"{len(lines)} lesions, 0 failed" in told
        assert ("66.7% of the images could not be read" in told) is (code == 4)
        assert nights[0]["images_failed"] == (2 * len(lines) if code else None)
        page = (tmp_path / "out" / "nights.html").read_text()
        assert "share of uncertain lesions" in page and f"share of {'images' if code else 'lesions'} that could" in page
        assert "share of uncertain images" not in page and ">images<" not in page


def test_a_limit_of_no_value_is_said(normal_nights: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("values: {share/mell: {high: 1}, share/m*: {high: 1}}\ndistances: {p_vascc: null, p_mel: null}\n")
    found = monitor(normal_nights[:5], limits=str(file), reference_nights=4)
    assert len(repr(found)) < 4000 and f"name={found.nights[-1].night.name!r}" in repr(found)  # as a notebook shows it
    assert found.notes == (
        "no night has a value for these limits: values: share/mell (did you mean 'share/mel'?), distances: "
        "p_vascc (did you mean 'p_vasc'?)",
    )


def test_a_list_of_images_to_review_is_no_night(normal_nights: list[Path], tmp_path: Path) -> None:
    listed = tmp_path / "night-sample.csv"
    listed.write_text("path,chance\na.jpg,0.5\n")
    found = monitor([*normal_nights[:5], listed], reference_nights=4)
    assert len(found.nights) == 5 and "night-sample.csv" in found.notes[0]
    with pytest.raises(DataError, match="no report"):
        monitor([listed])


def test_reports_that_do_not_belong_together_are_refused(
    normal_nights: list[Path], write_night: Write, tmp_path: Path
) -> None:
    other_model = write_night("other", 1, model="lesions/4")
    other_labels = tmp_path / "labels.csv"
    other_labels.write_text(normal_nights[0].read_text().replace("vasc", "wart"))
    grouped, empty = tmp_path / "grouped.csv", tmp_path / "empty.csv"
    header, *lines = normal_nights[1].read_text().splitlines()
    empty.write_text(f"{header}\n")
    grouped.write_text("\n".join([f"{header},images,grouped_by", *(f"{line},1,lesion_id" for line in lines), ""]))
    rows = "its rows are one for each lesion_id, those of"
    (latest := tmp_path / "latest.csv").symlink_to(normal_nights[0])
    for reports, code, message in (
        ([normal_nights[0], other_model], 1, "lesions/4"),
        ([normal_nights[0], grouped], 1, rows),
        ([normal_nights[0], "--reference", grouped], 1, rows),
        ([normal_nights[0], "--reference", other_model], 1, "lesions/4"),
        ([normal_nights[0], "--reference", empty], 1, "has no image with a prediction to compare with"),
        ([normal_nights[0], other_labels], 1, "one label set at a time"),
        ([normal_nights[0], normal_nights[0]], 2, "given twice"),
        ([normal_nights[0], latest], 2, f"latest.csv: the same file as {normal_nights[0]}"),
        ([tmp_path / "nowhere.csv"], 1, "cannot be read"),
    ):
        result = invoke("monitor", *map(str, reports), "--out", str(tmp_path / "out"))
        assert result.exit_code == code and message in error_line(result)


def test_the_validation_part_is_a_reference(normal_nights: list[Path], tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", answers(0.7))
    reference = ("--reference", str(tmp_path / "bundle"))
    _, nights = watch(*normal_nights[:5], out=tmp_path / "out", code=4, options=reference)
    against = nights[4]["distances"]
    assert set(against) == {"the first nights", "the validation part"}
    assert all("validation part" in alarm["text"] for alarm in nights[4]["alarms"])
    write_bundle(tmp_path / "without", answers(0.7), keep_answers=False)
    result = invoke(
        "monitor", *map(str, normal_nights), "--out", str(tmp_path / "b"), "--reference", str(tmp_path / "without")
    )
    assert result.exit_code == 0 and "has no predictions for its validation part" in result.stderr


def test_only_the_model_of_the_nights_is_their_reference(
    normal_nights: list[Path], write_night: Write, contenders: Path
) -> None:
    reference = ("--reference", f"models:/{NAME}/2")
    result = invoke("monitor", *map(str, normal_nights[:2]), "--out", "none", *reference)
    assert result.exit_code == 1 and f"is {NAME}/2, and the nights were scored with {NAME}/3" in error_line(result)
    bundle = resolve(reference[1], contenders).card.label
    for name in (f"{NAME}/2", bundle):
        night = write_night(f"of {name}".replace("/", " "), 0, model=name)
        watched = monitor(night, reference=reference[1])
        assert [each.about for each in watched.references] == [f"of {NAME}/2"]
    with pytest.raises(DataError, match="give the model that scored them"):
        monitor(write_night("of another bundle", 0, model="cnn@0123456789ab"), reference=reference[1])


def test_a_report_is_a_reference_and_one_night_is_enough_then(
    normal_nights: list[Path], write_night: Write, tmp_path: Path
) -> None:
    reference = ("--reference", str(normal_nights[0]))
    _, nights = watch(normal_nights[1], out=tmp_path / "out", options=reference)
    assert not alarms(nights[0])
    _, nights = watch(write_night("unfamiliar", 95, unfamiliar=0.4), out=tmp_path / "out", code=4, options=reference)
    assert alarms(nights[0]) == {"share/unfamiliar"}


def test_the_page_says_who_is_champion(normal_nights: list[Path], contenders: Path) -> None:
    from lesionflow.api.promote import promote

    promote(NAME, 2)
    watch(*normal_nights[:3], out=contenders / "out", options=("--registered-model", NAME))
    assert f"Champion is {NAME}/2, promoted at 20" in (contenders / "out" / "nights.html").read_text()
    watch(*normal_nights[:3], out=contenders / "out", options=("--registered-model", "nobody"))
    assert "The champion is unknown" in (contenders / "out" / "nights.html").read_text()


def test_images_that_are_there_are_measured_and_remembered(write_night: Write, tmp_path: Path) -> None:
    """Nights whose files are drawn: the last one's are dark, and of another camera."""
    nights = [write_night(f"drawn{number}", 300 + number, lesions=60) for number in range(3)]
    generator, kept = np.random.default_rng(0), []
    for number, night in enumerate(nights):
        exif = Image.Exif()
        exif[0x010F] = "old" if number < 2 else "new"
        for index in range(150):
            light = 150 if number < 2 else 60
            pixels = generator.normal(light, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            file = tmp_path / night.stem / f"I{index:05}.jpg"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(file, exif=exif)
        kept.append(tmp_path / night.name)
        kept[-1].write_text(night.read_text().replace(f"{night.stem}/I", f"{tmp_path}/{night.stem}/I"))
    _, found = watch(*kept, out=tmp_path / "out", code=4, options=("--images", "50"))
    assert not alarms(found[1]) and alarms(found[2]) == {"brightness", "camera"}
    brightness = found[2]["values"]["median/brightness"]
    assert brightness == pytest.approx(60, abs=3)
    page = (tmp_path / "out" / "nights.html").read_text()
    assert f"<strong>brightness</strong> {brightness:.3g} in drawn2" in page  # no percentage, as shares are
    assert "<strong>share of images that could not be read</strong> 0.0% in drawn2" in page
    shutil.rmtree(tmp_path / "drawn0")  # of a night that was measured before
    _, again = watch(*kept, out=tmp_path / "out", code=4, options=("--images", "50"))
    assert [night["values"] for night in again] == [night["values"] for night in found]
    result = invoke("monitor", *map(str, kept), "--out", str(tmp_path / "new"), "--images", "50")
    assert "images could not be measured" in result.stderr


def test_a_night_is_the_same_in_every_format(tmp_path: Path) -> None:
    said = made_up(lesions=40)
    rows = [
        Row(f"{image}.jpg", prediction, carried=(lesion,))
        for image, lesion, prediction in zip(said.image_ids, said.lesion_ids, said.one_by_one(), strict=True)
    ]
    rows.append(Row("broken.jpg", None, "empty", "no bytes", carried=("",)))
    found = []
    for kind in ("csv", "jsonl", "parquet"):
        file = tmp_path / f"night.{kind}"
        write_report(rows, file, ReportLayout("lesions/3", kind, carried_columns=("lesion_id",)), overwrite=False)
        (night,) = read_nights([file])
        found.append(night)
    for night in found:
        assert (night.images, night.failed) == (len(said) + 1, 1)
        assert night.values == pytest.approx(found[0].values, abs=1e-5)
        assert night.sample.flags == found[0].sample.flags and night.sample.flags["share/mel"][1] == 40
        assert {name: one.value for name, one in night.estimates.items()} == pytest.approx(
            {name: one.value for name, one in found[0].estimates.items()}, abs=1e-5
        )
