"""Metadata inside .tflite files: read back whole, the same bytes each time, answers unchanged."""

import io
import zipfile

import numpy as np
import pytest

from export import metadata, models
from export.limits import Options

OPTIONS = Options(author="A. Müller", license="MIT", version="7")


@pytest.fixture(scope="module")
def content(bundled):
    return (bundled / "model_float32.tflite").read_bytes()


def attached(content, labels, shape=(32, 32, 3)):
    told = metadata.describe("lenet", OPTIONS, shape, float_input=True)
    return metadata.attach(content, told, labels)


def test_what_is_written_is_read(content):
    description, labels = metadata.read(attached(content, ["ä b", "0", "日本"]))
    assert labels == ["ä b", "0", "日本"]
    told = metadata.describe("lenet", OPTIONS, (32, 32, 3), float_input=True)
    assert description == told
    assert (description["author"], description["license"]) == ("A. Müller", "MIT")
    assert description["version"] == "7"
    (image,) = description["subgraphs"][0]["inputs"]
    assert image["process_units"] == [{"type": 1, "options": {"mean": [0.0], "std": [1.0]}}]
    assert image["content"]["properties"] == {"color_space": 1, "size": {"width": 32, "height": 32}}


def test_width_and_height_are_not_exchanged_and_grey_is_said():
    told = metadata.describe("n", OPTIONS, (20, 30, 1), float_input=False)
    (image,) = told["subgraphs"][0]["inputs"]
    properties = {"color_space": 2, "size": {"width": 30, "height": 20}}
    assert image["content"]["properties"] == properties
    assert "process_units" not in image


def test_the_same_model_makes_the_same_bytes(content):
    assert attached(content, ["a", "b"]) == attached(content, ["a", "b"])


def test_the_labels_lie_in_the_file_as_a_zip_that_phones_map(content):
    with zipfile.ZipFile(io.BytesIO(attached(content, ["a", "b"]))) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert archive.read(entry) == b"a\nb\n"


def test_new_metadata_replaces_the_old(content):
    twice = attached(attached(content, ["a", "b"]), ["c"])
    assert metadata.read(twice)[1] == ["c"]


def test_answers_stay_as_they_are(content):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    before, after = (
        models.TFLiteModel(c).predict(pixels) for c in (content, attached(content, ["x"]))
    )
    np.testing.assert_array_equal(before, after)


def test_a_file_without_metadata_is_read_as_such():
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    builder = flatbuffers.Builder(64)
    empty = schema.ModelT()
    empty.buffers = [schema.BufferT()]
    builder.Finish(empty.Pack(builder), b"TFL3")
    assert metadata.read(bytes(builder.Output())) == (None, None)
