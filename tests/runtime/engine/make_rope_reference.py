# SPDX-License-Identifier: Apache-2.0
"""Makes rope_reference.json: frequencies and cosines as Hugging Face transformers computes them.

Usage: make_rope_reference.py OUTPUT.json   (needs torch and transformers)
"""
import json
import sys

from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
import torch

CASES = {
    "none": {"rope_type": "default", "rope_theta": 100000.0},
    "linear": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0},
    "llama3": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192, "rope_theta": 500000.0,
    },
    "yarn": {
        "rope_type": "yarn", "factor": 16.0, "beta_fast": 32.0, "beta_slow": 1.0,
        "original_max_position_embeddings": 4096, "rope_theta": 10000.0,
    },
    "yarn_own_attention": {
        "rope_type": "yarn", "factor": 40.0, "beta_fast": 16.0, "beta_slow": 2.0,
        "attention_factor": 0.75, "original_max_position_embeddings": 2048,
        "rope_theta": 5000000.0,
    },
}
POSITIONS = [0, 1, 7, 100]


def reference(parameters):
    head_dim = 64
    config = LlamaConfig(hidden_size=4 * head_dim, num_attention_heads=4, head_dim=head_dim,
                         max_position_embeddings=131072, rope_parameters=dict(parameters))
    rope = LlamaRotaryEmbedding(config)
    cos, sin = rope(torch.zeros(1), torch.tensor([POSITIONS]))
    pairs = head_dim // 2
    rounded = lambda rows: [[float(f"{x:.8g}") for x in row] for row in rows]
    return {
        "parameters": parameters,
        "dims": head_dim,
        "attention_factor": float(rope.attention_scaling),
        "frequencies": [float(f"{x:.9g}") for x in rope.inv_freq.tolist()],
        "cos": rounded(cos[0, :, :pairs].tolist()),
        "sin": rounded(sin[0, :, :pairs].tolist()),
    }


def main():
    document = {"positions": POSITIONS,
                "cases": {name: reference(parameters) for name, parameters in CASES.items()}}
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(document, file, separators=(",", ":"))
        file.write("\n")


main()
