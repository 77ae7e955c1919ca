"""The int8 file as C, for LiteRT for Microcontrollers: array, header, and the operations it uses.

Three files: model_int8.c and model_int8.h are C11 and C++; model_int8_ops.h is C++, for it names
the runtime's op resolver.
"""

import hashlib
import string
import textwrap

import numpy as np

from export import arena, graph, models
from pipelines import decode
from pipelines.check import image as images
from pipelines.files import write_text

FORMAT = "int8"
LARGEST = 4 * 2**20  # bytes; what is larger fits no microcontroller, and its text is 5 times that
WIDTH = 16  # numbers a line
# Operations that the runtime has kernels for, of those that classifiers are made of. The others
# would stop it as it starts.
KERNELS = {
    "ABS", "ADD", "ADD_N", "AVERAGE_POOL_2D", "BATCH_MATMUL", "BROADCAST_TO", "CONCATENATION",
    "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE", "ELU", "EXP", "EXPAND_DIMS",
    "FULLY_CONNECTED", "GATHER", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU", "LOG",
    "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "NEG", "PACK", "PAD",
    "PADV2", "PRELU", "QUANTIZE", "REDUCE_MAX", "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SHAPE", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT",
    "SPLIT_V", "SQRT", "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "TANH",
    "TRANSPOSE", "TRANSPOSE_CONV", "UNPACK",
}  # fmt: skip
PLAIN = set(string.ascii_letters + string.digits + " _.,:;()+-=<>!@#&*/[]{}|~^$%")


def write(making):
    """Write the C files where the bundle has an int8 file, and say in the card what they hold."""
    entry = making.card["formats"].get(FORMAT)
    if entry is None:
        return
    content = (making.folder / entry["file"]).read_bytes()
    if len(content) > LARGEST:
        making.card["c"] = {"left_out": f"{len(content):,} bytes fit no microcontroller"}
        return
    foreign = sorted(graph.read(content).ops.keys() - KERNELS)
    needed = arena.needed(content)
    making.card["c"] = {"arena": needed, "operations_without_kernel": foreign}
    sample = _sample(making, entry)
    write_text(making.folder / "model_int8.c", source(content, making.card["labels"], *sample))
    write_text(making.folder / "model_int8.h", header(making.card, entry, content, needed))
    if not foreign:
        write_text(making.folder / "model_int8_ops.h", resolver(graph.read(content).ops))


def _sample(making, entry):
    """The first sample as the int8 input, and the int8 output of the reference kernels."""
    file = making.folder / making.card["samples"]["images"][0]["file"]
    runner = models.load(making.folder / entry["file"], reference_kernels=True)
    pixels = decode.load(file, images.inspect(file), runner.input_shape)[None]
    scores = runner.predict(pixels)[0]
    scale, zero = entry["output"]["scale"], entry["output"]["zero_point"]
    return runner.quantized(pixels).ravel(), np.round(scores / scale + zero).astype(np.int8)


def source(content, labels, sample_input, sample_output):
    """The text of model_int8.c."""
    names = "\n".join(f"    {quoted(label)}," for label in labels)
    return f"""#include "model_int8.h"

_Alignas(16) const unsigned char model_int8[MODEL_INT8_LENGTH] = {{
{_rows(f"0x{byte:02x}" for byte in content)}
}};

const char *const model_int8_labels[MODEL_INT8_CLASSES] = {{
{names}
}};

const int8_t model_int8_sample_input[MODEL_INT8_INPUT_LENGTH] = {{
{_rows(map(str, sample_input.tolist()))}
}};

const int8_t model_int8_sample_output[MODEL_INT8_CLASSES] = {{
{_rows(map(str, sample_output.tolist()))}
}};
"""


def _rows(numbers):
    numbers = list(numbers)
    lines = [numbers[i : i + WIDTH] for i in range(0, len(numbers), WIDTH)]
    return "\n".join(f"    {', '.join(line)}," for line in lines)


def quoted(text):
    """A C string literal of UTF-8 bytes; octal, which unlike hexadecimal ends by itself."""
    cells = [chr(b) if chr(b) in PLAIN else f"\\{b:03o}" for b in text.encode()]
    return f'"{"".join(cells)}"'


HEADER = """/* {name} in int8, for LiteRT for Microcontrollers.
 * From {file}, sha256 {digest}. */
#ifndef MODEL_INT8_H_
#define MODEL_INT8_H_

#include <stdint.h>

{arena_words}
#define MODEL_INT8_ARENA_BYTES {arena}

/* Input: rows first, {colours}; stored = pixel / SCALE + ZERO_POINT, pixel 0..255. */
#define MODEL_INT8_INPUT_HEIGHT {height}
#define MODEL_INT8_INPUT_WIDTH {width}
#define MODEL_INT8_INPUT_CHANNELS {channels}
#define MODEL_INT8_INPUT_LENGTH {pixels}
#define MODEL_INT8_INPUT_SCALE {input_scale}
#define MODEL_INT8_INPUT_ZERO_POINT ({input_zero})

/* Output: probability = (stored - ZERO_POINT) * SCALE. */
#define MODEL_INT8_CLASSES {classes}
#define MODEL_INT8_OUTPUT_SCALE {output_scale}
#define MODEL_INT8_OUTPUT_ZERO_POINT ({output_zero})

#define MODEL_INT8_LENGTH {length}

#ifdef __cplusplus
extern "C" {{
#endif

/* The file, aligned to 16 bytes. */
extern const unsigned char model_int8[MODEL_INT8_LENGTH];

/* Class names in UTF-8, in the order of the output. */
extern const char *const model_int8_labels[MODEL_INT8_CLASSES];

/* Golden vector: {sample}, and what the reference kernels answer. */
extern const int8_t model_int8_sample_input[MODEL_INT8_INPUT_LENGTH];
extern const int8_t model_int8_sample_output[MODEL_INT8_CLASSES];

#ifdef __cplusplus
}}
#endif

#endif /* MODEL_INT8_H_ */
"""


def header(card, entry, content, needed):
    """The text of model_int8.h."""
    _, height, width, channels = entry["input"]["shape"]
    name = quoted(card["name"]).strip('"').replace("*/", "* /").replace("/*", "/ *")
    return HEADER.format(
        name=name,
        file=entry["file"],
        digest=hashlib.sha256(content).hexdigest(),
        arena_words=_comment(f"Bytes of tensor arena, {needed['how']}."),
        arena=needed["bytes"],
        colours="red, green, blue" if channels == 3 else "one grey value a pixel",
        height=height,
        width=width,
        channels=channels,
        pixels=height * width * channels,
        input_scale=_float(entry["input"]["scale"]),
        input_zero=entry["input"]["zero_point"],
        classes=len(card["labels"]),
        output_scale=_float(entry["output"]["scale"]),
        output_zero=entry["output"]["zero_point"],
        length=len(content),
        sample=card["samples"]["images"][0]["file"],
    )


def _comment(text):
    return textwrap.fill(f"/* {text} */", 96, subsequent_indent=" * ")


def _float(number):
    return f"{float(number):.9g}f" if "." in f"{float(number):.9g}" else f"{float(number):.1f}f"


def resolver(ops):
    """The text of model_int8_ops.h."""
    calls = "\n".join(f"  resolver.Add{camel(op)}();" for op in sorted(ops))
    return f"""// The operations of model_int8.tflite: what is not named here is not linked.
#ifndef MODEL_INT8_OPS_H_
#define MODEL_INT8_OPS_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

using ModelInt8Resolver = tflite::MicroMutableOpResolver<{len(ops)}>;

inline ModelInt8Resolver MakeModelInt8Resolver() {{
  ModelInt8Resolver resolver;
{calls}
  return resolver;
}}

#endif  // MODEL_INT8_OPS_H_
"""


def camel(op):
    """The resolver's name of an operation: DEPTHWISE_CONV_2D -> DepthwiseConv2D."""
    if op == "PADV2":
        return "PadV2"
    return "".join(part if part[0].isdigit() else part.title() for part in op.split("_"))
