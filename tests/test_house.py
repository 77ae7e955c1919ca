"""The house rules: who imports whom, what is light, which versions are safe."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STDLIB = set(sys.stdlib_module_names)
# Folder or file: what it may import beside the standard library and its own package.
ALLOWED = {
    "keras_cnns/models": {"keras_cnns"},
    "keras_cnns/blocks.py": {"keras_cnns"},
    "keras_cnns/registry.py": {"keras_cnns"},
    "keras_cnns/derived.py": {"keras_cnns"},
    "keras_cnns/lazy.py": {"keras"},
    "keras_cnns/complexity.py": {"keras_cnns"},
    "keras_cnns/weights.py": {"keras_cnns", "numpy"},
    "keras_cnns/weights_files.py": {"keras_cnns", "numpy", "torch"},
    # The mathematics runs on any backend; only what trains it reads images.
    "keras_cnns/explore/hypernetwork.py": {"keras_cnns", "keras"},
    "keras_cnns/explore/neural_process.py": {"keras"},
    "keras_cnns/explore/kanerva.py": {"keras_cnns", "keras"},
    "keras_cnns/search": {
        "keras_cnns", "pipelines", "export", "keras", "keras_tuner", "tensorflow", "tensorboard",
        "numpy", "yaml", "matplotlib", "ai_edge_litert", "grpc", "threadpoolctl", "sklearn",
    },
    "keras_cnns/experiments": {
        "keras_cnns", "pipelines", "export", "keras", "numpy", "yaml", "matplotlib",
    },
    "pipelines": {
        "pipelines", "tensorflow", "tensorflow_datasets", "numpy", "cv2", "simplejpeg",
        "PIL", "sklearn", "matplotlib",
    },
    # Measured beside ours, each where it is installed.
    "pipelines/peers.py": {
        "tensorflow", "keras", "numpy", "simplejpeg", "albumentations", "torch", "torchvision",
    },
    "export": {
        "export", "pipelines", "tensorflow", "keras", "ai_edge_litert", "numpy", "PIL", "yaml",
        "matplotlib", "flatbuffers", "ai_edge_quantizer", "onnx", "tf2onnx", "onnxruntime", "scipy",
        "tflite_micro",  # where installed, it measures the arena
    },
}  # fmt: skip
HEAVY = {"tensorflow", "keras", "matplotlib", "numpy", "sklearn", "PIL", "cv2", "ai_edge_litert"}


def imported(file, *, top_only=False):
    """Packages that a file imports, or only those that it imports as it is loaded."""
    tree = ast.parse(file.read_text())
    nodes = tree.body if top_only else ast.walk(tree)
    modules = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("place", ALLOWED)
def test_imports_go_one_way(place):
    path = ROOT / place
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    files = [f for f in files if f == path or str(f.relative_to(ROOT)) not in ALLOWED]
    assert files
    for file in files:
        assert imported(file) - STDLIB <= ALLOWED[place], file


@pytest.mark.parametrize("package", ["keras_cnns", "pipelines", "export"])
def test_the_front_door_is_light(package):
    folder = ROOT / package
    for file in (folder / "__main__.py", folder / "__init__.py", *folder.glob("commands/*.py")):
        assert not imported(file, top_only=True) & HEAVY, file


@pytest.mark.parametrize(
    "words",
    [
        *(f"{package} --help" for package in ("keras_cnns", "pipelines", "export")),
        "keras_cnns list",
        "keras_cnns experiment",
        "keras_cnns train --help",
        "export bundle --help",
        "pipelines check --help",
        "keras_cnns train --model lenett --data digits --out x",
    ],
)
def test_help_list_and_wrong_names_do_not_wait_for_tensorflow(words):
    package, *rest = words.split()
    script = (
        "import runpy, sys; sys.argv = ['x', *sys.argv[1:]]\n"
        "try: runpy.run_module(sys.argv.pop(1), run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('HEAVY', [m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, package, *rest]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize("name, floor", [("keras", (3, 14, 1)), ("pillow", (12, 2, 0))])
def test_no_version_with_known_holes_is_installed_or_allowed(name, floor):
    installed = importlib.metadata.version(name).split(".")[:3]
    assert tuple(map(int, installed)) >= floor
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    line = next(line for line in lines if line.startswith(name + ">="))
    allowed = tuple(map(int, line.split(">=")[1].split(",")[0].split(".")))
    assert allowed >= floor[: len(allowed)]


def test_every_requirement_has_bounds_and_a_reason():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert all(">=" in line and " # " in line for line in lines if line)
