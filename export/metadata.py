"""Metadata inside .tflite files: what phones' libraries need to show labels for photos.

The schema is TensorFlow's ModelMetadata (file identifier M001), a flatbuffer in a buffer of the
model; the labels lie behind the model as a ZIP archive. Its libraries' own writers do not run
with current TensorFlow, so the few tables that a classifier needs are spelt here.
"""

import io
import zipfile

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import encode, number_types, table

NAME, IDENTIFIER, LABELS = "TFLITE_METADATA", b"M001", "labels.txt"
PARSER = "1.0.0"  # oldest reader of the schema that understands these tables

# Fields of each table, in the order of the schema; (kind) where it holds no text.
Text, Int8, Uint8, Uint32, Floats = "Text", "Int8", "Uint8", "Uint32", "Floats"
TABLES = {
    "ModelMetadata": {
        "name": Text, "description": Text, "version": Text, "subgraphs": ["SubGraphMetadata"],
        "author": Text, "license": Text, "files": ["AssociatedFile"], "min_parser_version": Text,
    },
    "SubGraphMetadata": {
        "name": Text, "description": Text,
        "inputs": ["TensorMetadata"], "outputs": ["TensorMetadata"],
    },
    "TensorMetadata": {
        "name": Text, "description": Text, "dimension_names": Text, "content": "Content",
        "process_units": ["ProcessUnit"], "stats": "Stats", "files": ["AssociatedFile"],
    },
    "Content": {"type": Uint8, "properties": "ImageProperties"},
    "ImageProperties": {"color_space": Int8, "size": "ImageSize"},
    "ImageSize": {"width": Uint32, "height": Uint32},
    "ProcessUnit": {"type": Uint8, "options": "NormalizationOptions"},
    "NormalizationOptions": {"mean": Floats, "std": Floats},
    "Stats": {"max": Floats, "min": Floats},
    "AssociatedFile": {"name": Text, "description": Text, "type": Int8},
}  # fmt: skip
FEATURE, IMAGE = 1, 2  # members of the union ContentProperties
NORMALIZATION = 1  # member of the union ProcessUnitOptions
RGB, GREY = 1, 2  # ColorSpaceType
AXIS_LABELS = 2  # AssociatedFileType: a label for each element of the output


def describe(name, options, input_shape, *, float_input):
    """The ModelMetadata of an image classifier, as nested dictionaries of TABLES.

    Args:
        name: of the network.
        options: `limits.Options`.
        input_shape: (height, width, channels) of the file.
        float_input: a float input needs its normalization told: none, for it takes pixels.
    """
    height, width, channels = input_shape
    labels = {"name": LABELS, "description": "Class names, a line each", "type": AXIS_LABELS}
    image = {
        "name": "image",
        "description": f"Pixels 0..255 of an image, {height} x {width}",
        "content": {
            "type": IMAGE,
            "properties": {
                "color_space": RGB if channels == 3 else GREY,
                "size": {"width": width, "height": height},
            },
        },
        "stats": {"max": [255.0], "min": [0.0]},
    }
    if float_input:
        unit = {"type": NORMALIZATION, "options": {"mean": [0.0], "std": [1.0]}}
        image["process_units"] = [unit]
    scores = {
        "name": "probabilities",
        "description": "Probability of each class",
        "content": {"type": FEATURE, "properties": {}},
        "stats": {"max": [1.0], "min": [0.0]},
        "files": [labels],
    }
    return {
        "name": name,
        "description": "Tells which class an image belongs to",
        "version": options.version,
        "subgraphs": [{"inputs": [image], "outputs": [scores]}],
        "author": options.author,
        "license": options.license,
        "min_parser_version": PARSER,
    }


def attach(content, description, labels, rename=None):
    """The bytes of a .tflite file with metadata and labels; the same for the same arguments.

    Args:
        content: bytes of the file.
        description: the ModelMetadata, by `describe`.
        labels: class names in the order of the outputs.
        rename: name of an inner tensor -> the one to write in its place; default, unchanged.
    """
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, "ModelMetadata", description), IDENTIFIER)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for part in model.buffers:  # large ones may lie behind the flatbuffer
        if part.offset > 1:
            part.data = np.frombuffer(content, np.uint8, part.size, part.offset)
            part.offset = part.size = 0
    if rename:
        _rename(model.subgraphs, rename)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data, entry.name = bytearray(builder.Output()), NAME
    entry.buffer = len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [m for m in model.metadata or [] if m.name != NAME.encode()] + [entry]
    packed = flatbuffers.Builder(len(content) + 4096)
    packed.Finish(model.Pack(packed), b"TFL3")
    file = io.BytesIO(bytes(packed.Output()))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        # A fixed date: the same model makes the same bytes.
        archive.writestr(zipfile.ZipInfo(LABELS, (1980, 1, 1, 0, 0, 0)), _lines(labels))
    return file.getvalue()


def _rename(subgraphs, rename):
    for subgraph in subgraphs:
        outer = {*subgraph.inputs, *subgraph.outputs}
        for number, tensor in enumerate(subgraph.tensors):
            if number not in outer:
                tensor.name = rename(tensor.name.decode("utf-8", "replace"))


def _lines(labels):
    return "".join(f"{label}\n" for label in labels)


def _write(builder, name, values):
    """Write a table and what it refers to; return its offset."""
    ready = []
    for slot, (key, kind) in enumerate(TABLES[name].items()):
        if key in values:
            ready.append((slot, kind, _written(builder, kind, values[key])))
    builder.StartObject(len(TABLES[name]))
    for slot, kind, value in ready:
        if kind in (Int8, Uint8, Uint32):
            getattr(builder, f"Prepend{kind}Slot")(slot, value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return builder.EndObject()


def _written(builder, kind, value):
    if kind == Text:
        return builder.CreateString(value)
    if kind in (Int8, Uint8, Uint32):
        return value
    if kind == Floats:
        return _vector(builder, value, builder.PrependFloat32)
    if isinstance(kind, list):
        tables = [_write(builder, kind[0], one) for one in value]
        return _vector(builder, tables, builder.PrependUOffsetTRelative)
    return _write(builder, kind, value)


def _vector(builder, values, prepend):
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        prepend(value)
    return builder.EndVector()


def read(content):
    """The metadata of a .tflite file as nested dictionaries, and the labels behind it.

    Returns:
        (description or None, labels or None).
    """
    model = schema.Model.GetRootAs(content, 0)
    description = None
    for i in range(model.MetadataLength()):
        if model.Metadata(i).Name() == NAME.encode():
            data = model.Buffers(model.Metadata(i).Buffer()).DataAsNumpy().tobytes()
            start = encode.Get(number_types.UOffsetTFlags.packer_type, data, 0)
            description = _read("ModelMetadata", table.Table(data, start))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            labels = archive.read(LABELS).decode("utf-8").splitlines()
    except (zipfile.BadZipFile, KeyError):
        labels = None
    return description, labels


def _read(name, found):
    values = {}
    for slot, (key, kind) in enumerate(TABLES[name].items()):
        offset = found.Offset(4 + 2 * slot)
        if offset:
            values[key] = _value(found, kind, offset)
    return values


def _value(found, kind, offset):
    if kind == Text:
        return found.String(found.Pos + offset).decode("utf-8")
    if kind in (Int8, Uint8, Uint32):
        return found.Get(getattr(number_types, f"{kind}Flags"), found.Pos + offset)
    if kind == Floats:
        return found.GetVectorAsNumpy(number_types.Float32Flags, offset).tolist()
    if isinstance(kind, list):
        start, count = found.Vector(offset), found.VectorLen(offset)
        places = [found.Indirect(start + 4 * i) for i in range(count)]
        return [_read(kind[0], table.Table(found.Bytes, place)) for place in places]
    return _read(kind, table.Table(found.Bytes, found.Indirect(found.Pos + offset)))
