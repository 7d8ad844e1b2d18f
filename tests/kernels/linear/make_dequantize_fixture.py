# SPDX-License-Identifier: Apache-2.0
"""Writes dequantize_fixture.bin: random blocks of each weight type and what the `gguf` package
(0.19.0, pip install gguf) decodes them to.

    python3 tests/kernels/linear/make_dequantize_fixture.py

Format, little-endian, per type: u32 length and the name; u32 length and the blocks' bytes;
u32 count and the FP32 values.
"""
import pathlib
import struct

import gguf
import numpy as np

# Where the FP16 scales of a block are: random bits there could be NaN, which is not a weight.
SCALES = {"F32": [], "F16": [], "BF16": [], "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def blocks_of(name, generator):
    """Four or more blocks of random bytes, with finite scales of either sign and a subnormal."""
    if name == "F32":
        return generator.standard_normal(64).astype(np.float32).view(np.uint8)
    if name == "F16":
        bits = generator.integers(0, 1 << 16, 256, dtype=np.uint16)
        return bits[(bits & 0x7C00) != 0x7C00][:192].view(np.uint8)
    if name == "BF16":
        return (generator.standard_normal(64).astype(np.float32).view(np.uint32) >> 16).astype(
            np.uint16).view(np.uint8)
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][1]
    blocks = generator.integers(0, 256, (4, size), dtype=np.uint8)
    for offset in SCALES[name]:
        scales = generator.standard_normal(4).astype(np.float16)
        scales[3] = np.float16(3e-7)
        blocks[:, offset:offset + 2] = scales.view(np.uint8).reshape(4, 2)
    return blocks.reshape(-1)


def main():
    generator = np.random.default_rng(20240611)
    out = bytearray()
    for name in SCALES:
        blocks = blocks_of(name, generator)
        values = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name])
        values = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
        label = name.lower().encode()
        out += struct.pack("<I", len(label)) + label
        out += struct.pack("<I", blocks.nbytes) + blocks.tobytes()
        out += struct.pack("<I", values.size) + values.tobytes()
    pathlib.Path(__file__).with_name("dequantize_fixture.bin").write_bytes(out)


if __name__ == "__main__":
    main()
