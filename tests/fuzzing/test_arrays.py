"""Arrays on disk: safetensors and npy, their headers above all."""

import json
import struct
from pathlib import Path

import pytest
import torch
from damage import damaged, fuzz, on_disk, or_message
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from layerline.errors import LayerlineError
from layerline.networks.serialization import NetworkSpec, load_network, save_network
from layerline.tables.storage import IMAGES, read_images

SPEC = NetworkSpec("mlp", {"hidden": [4]}, (3,), 1, "regression")
SHAPES = st.lists(st.integers(-1, 2**63), max_size=4)
TYPES = st.sampled_from(["F32", "F64", "I64", "BF16", "BOOL", "F8_E4M3", "X", "f32"])


def with_header(header: object, length: int | None = None, body: bytes = b"\0" * 64) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


TENSOR = st.fixed_dictionaries(
    {"dtype": TYPES, "shape": SHAPES, "data_offsets": st.lists(st.integers(0, 2**63), max_size=3)}
)
HEADERS = st.builds(
    with_header,
    st.dictionaries(st.sampled_from(["weight", "__metadata__", "0.weight", ""]), TENSOR, max_size=3)
    | st.lists(st.integers(), max_size=2),
    st.none() | st.integers(0, 2**64 - 1),
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    torch.manual_seed(0)
    save_network(folder, SPEC.build(), SPEC)
    return folder


WHOLE = save({"weight": torch.zeros(2, 3), "bias": torch.zeros(2)})


@fuzz(3)
@given(damaged(st.just(WHOLE)) | HEADERS)
def test_safetensors(network: Path, content: bytes) -> None:
    (network / "network.safetensors").write_bytes(content)
    # None of these has the network's own names.
    with pytest.raises(LayerlineError, match=r"network\.safetensors"):
        load_network(network)


def npy(header: str, body: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    text = header.encode("latin-1", "replace") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text) % 65536)
    return b"\x93NUMPY" + bytes(version) + size + text + body


NPY = st.builds(
    npy,
    st.builds(
        "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format,
        st.sampled_from(
            ["'|u1'", "'<f4'", "'|O'", "'<U9'", "[('a', '|u1')]", "[]", "None", "'V0'"]
        ),
        st.sampled_from(["False", "True", "0", "[]"]),
        SHAPES.map(tuple) | st.sampled_from(["(2, 2, 2)", "(", "()", "(1e9,)", "(-1, 8)", "8"]),
    )
    | st.text("{}()[]',:0123 descrfaltonhp_u1|\\x", max_size=60),
    st.binary(max_size=16) | st.just(b"\0" * 8),
    st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]),
)


@fuzz(5)
@given(NPY | damaged(NPY))
@pytest.mark.filterwarnings("ignore")
def test_npy(content: bytes) -> None:
    with on_disk(IMAGES, content) as path:
        images = or_message(lambda: read_images(path.parent), ".npy")
        assert images is None or images.dtype != object
