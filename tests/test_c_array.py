"""The C of a bundle compiles without a warning, and holds the file and its numbers."""

import ctypes
import json
import shutil
import subprocess

import numpy as np
import pytest

from export import c_array, models

FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")


def compiled(command, tmp_path):
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def library(bundled, tmp_path_factory):
    """The C file as a shared library."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    out = tmp_path_factory.mktemp("c") / "model.so"
    source = bundled / "model_int8.c"
    compiled(["gcc", "-std=c11", *FLAGS, "-shared", "-fPIC", source, "-o", out], out.parent)
    return ctypes.CDLL(str(out))


def test_the_array_is_the_file_aligned(library, bundled):
    content = (bundled / "model_int8.tflite").read_bytes()
    array = (ctypes.c_ubyte * len(content)).in_dll(library, "model_int8")
    assert bytes(array) == content
    assert ctypes.addressof(array) % 16 == 0


def test_the_golden_vector_is_what_the_reference_kernels_answer(library, bundled):
    file = models.load(bundled / "model_int8.tflite", reference_kernels=True)
    shape = file.input["shape"]
    given = (ctypes.c_int8 * int(np.prod(shape))).in_dll(library, "model_int8_sample_input")
    expected = (ctypes.c_int8 * file.classes).in_dll(library, "model_int8_sample_output")
    file.interpreter.set_tensor(file.input["index"], np.array(given, np.int8).reshape(shape))
    file.interpreter.invoke()
    assert file.interpreter.get_tensor(file.output["index"])[0].tolist() == list(expected)


def test_the_labels_are_those_of_the_card(library, bundled):
    labels = json.loads((bundled / "model.json").read_text())["labels"]
    array = (ctypes.c_char_p * len(labels)).in_dll(library, "model_int8_labels")
    assert [label.decode() for label in array] == labels


HOSTILE = ['a"b', "back\\slash", "??/trigraph", "*/ int x;", "naïve 1", "日本", "%s\n", "1é2"]


@needs_gcc
def test_any_label_is_a_c_string(tmp_path):
    cells = ", ".join(map(c_array.quoted, HOSTILE))
    text = f"const char *const labels[] = {{{cells}}};\n"
    (tmp_path / "l.c").write_text(text, encoding="ascii")
    compiled(
        ["gcc", "-std=c11", "-trigraphs", *FLAGS, "-shared", "-fPIC", "l.c", "-o", "l.so"], tmp_path
    )
    library = ctypes.CDLL(str(tmp_path / "l.so"))
    array = (ctypes.c_char_p * len(HOSTILE)).in_dll(library, "labels")
    assert [label.decode() for label in array] == HOSTILE


USE = """#include "model_int8_ops.h"
#include "model_int8.h"
static_assert(MODEL_INT8_LENGTH == {length}, "length");
static_assert(MODEL_INT8_INPUT_LENGTH
              == MODEL_INT8_INPUT_HEIGHT * MODEL_INT8_INPUT_WIDTH * MODEL_INT8_INPUT_CHANNELS, "");
alignas(16) static unsigned char arena[MODEL_INT8_ARENA_BYTES];
int main() {{
  auto resolver = MakeModelInt8Resolver();
  float zero = MODEL_INT8_INPUT_SCALE * (0 - MODEL_INT8_INPUT_ZERO_POINT);
  return resolver.added + arena[0] + model_int8[0] + static_cast<int>(zero) == 0;
}}
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="g++ is not installed")
def test_the_headers_serve_cpp_and_name_each_operation_once(bundled, tmp_path):
    """The runtime's own header is not in any package here; its methods are declared as it does."""
    ops = json.loads((bundled / "verify.json").read_text())["formats"]["int8"]["ops"]
    methods = "\n".join(f"  void Add{c_array.camel(op)}() {{ ++added; }}" for op in ops)
    micro = tmp_path / "tensorflow/lite/micro"
    micro.mkdir(parents=True)
    (micro / "micro_mutable_op_resolver.h").write_text(
        "#pragma once\nnamespace tflite {\ntemplate <unsigned int n> class MicroMutableOpResolver "
        f"{{\n public:\n  static_assert(n == {len(ops)}, \"room for each\");\n  int added = 0;\n"
        f"{methods}\n}};\n}}\n"
    )  # fmt: skip
    length = (bundled / "model_int8.tflite").stat().st_size
    (tmp_path / "use.cc").write_text(USE.format(length=length))
    compiled(
        ["g++", "-std=c++17", *FLAGS, "-I", tmp_path, "-I", bundled, "-fsyntax-only", "use.cc"],
        tmp_path,
    )


@pytest.mark.parametrize(
    "op, name",
    [
        ("CONV_2D", "Conv2D"),
        ("DEPTHWISE_CONV_2D", "DepthwiseConv2D"),
        ("FULLY_CONNECTED", "FullyConnected"),
        ("MAX_POOL_2D", "MaxPool2D"),
        ("PADV2", "PadV2"),
        ("RELU6", "Relu6"),
        ("SPLIT_V", "SplitV"),
        ("L2_NORMALIZATION", "L2Normalization"),
    ],
)
def test_operations_have_the_names_of_the_runtimes_resolver(op, name):
    assert op in c_array.KERNELS
    assert c_array.camel(op) == name
