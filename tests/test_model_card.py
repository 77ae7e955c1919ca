"""MODEL_CARD.md says what is known, and says of the rest that it is unknown."""

import json
import os
import re
import shutil

import pytest
import yaml

from export import model_card

SECTIONS = [  # Mitchell et al. 2019, and what this project adds
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
    "Quantitative analyses", "Training", "Preprocessing", "Ethical considerations",
    "Caveats and recommendations",
]  # fmt: skip


@pytest.fixture(scope="module")
def text(bundled):
    return (bundled / "MODEL_CARD.md").read_text()


def test_it_has_the_fields_sections(text):
    assert re.findall(r"^## (.*)$", text, re.M) == SECTIONS


def test_its_head_is_what_hubs_read(text, bundled):
    head = yaml.safe_load(text.split("---\n")[1])
    report = json.loads((bundled / "verify.json").read_text())
    assert head["pipeline_tag"] == "image-classification"
    assert head["license"] == "unknown"
    found = {r["metrics"][0]["name"]: r["metrics"][0] for r in head["model-index"][0]["results"]}
    for entry in report["formats"].values():
        name = f"{entry['file']}, {report['images']} held-out images"
        assert found[name]["type"] == "accuracy"
        assert found[name]["value"] == pytest.approx(entry["accuracy"], abs=1e-6)
    assert "&id" not in text


def test_numbers_have_their_n_and_interval(text, bundled):
    report = json.loads((bundled / "verify.json").read_text())
    for entry in report["formats"].values():
        low, high = (100 * share for share in entry["accuracy_95"])
        row = next(line for line in text.splitlines() if line.startswith(f"| `{entry['file']}` | "
                   f"{100 * entry['accuracy']:.2f}%"))  # fmt: skip
        assert f"{low:.2f} to {high:.2f}%" in row
    assert f"{report['images']} held-out images" in text


def test_the_training_is_told(text, trained):
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert f"| `batch_size` | {config['batch_size']} |" in text
    assert f"| `seed` | {config['seed']} |" in text
    assert config["fingerprint"] in text


def test_the_report_of_evaluate_is_told_if_it_is_of_this_model_and_these_images(
    run, trained, tmp_path
):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    assert run("keras_cnns", "evaluate", folder)[0] == 0
    report = json.loads((folder / "report-test" / "report.json").read_text())
    of = model_card.Run(folder / "model.keras")
    assert of.report(report["fingerprint"]) == report and of.report("another") == {}
    text = model_card.evaluation(report)
    assert f"{report['calibration']['ece']:.4f}" in text and f"{report['log_loss']:.4f}" in text
    for name, entry in report["classes"].items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} | "))
        assert f"{entry['precision']:.3f} | {entry['recall']:.3f} | {entry['f1']:.3f}" in row
    assert all(model_card.plain(w["sentence"]) in text for w in report["warnings"])
    os.utime(folder / "model.keras")  # trained on since
    assert of.report(report["fingerprint"]) == {} and model_card.evaluation({}) == ""


def test_what_nobody_said_is_unknown(text):
    details = text.split("## Model details")[1].split("## ")[0]
    assert "| Author | unknown |" in details and "| Licence | unknown |" in details


def test_no_path_of_the_machine_is_told(text, trained):
    assert str(trained.parent) not in text and "folder:/" not in text


def test_a_model_without_a_run_has_unknown_training(tmp_path, trained):
    file = tmp_path / "model.keras"
    file.write_bytes((trained / "model.keras").read_bytes())
    assert "unknown" in model_card.training(model_card.Run(file))


def test_the_name_of_a_folder_is_told_without_its_place():
    card = {"data": {"source": "folder:/home/someone/secret/photos"}}
    assert model_card.source_name(card) == "folder:photos"


def test_labels_cannot_break_the_page():
    text = model_card.classes(["a|b", "<script>", "`x`", "[l](u)", "*"])
    assert text == r"a\|b, &lt;script&gt;, \`x\`, \[l\]\(u\), \*"
    assert model_card.classes([str(i) for i in range(50)]).endswith("and 10 more in labels.txt")
