#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a Hugging Face folder with the weights of a Llama GGUF file, for integration tests.

    make_hf_folder.py MODEL.gguf FOLDER [--dtype f32|bf16] [--shards N] [--no-tokenizer]

FOLDER gets config.json, model.safetensors (or N shards and their index) and, by transformers,
tokenizer.json and tokenizer_config.json. Needs numpy, torch, safetensors, gguf and transformers.
"""
import argparse
import json
import pathlib

import gguf
import numpy
import torch
from safetensors.torch import save_file

ONCE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
PER_LAYER = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
}


def metadata(reader: gguf.GGUFReader, key: str, default=None):
    field = reader.get_field(key)
    return default if field is None else field.contents()


def hf_name(name: str) -> str:
    if name in ONCE:
        return ONCE[name]
    _, layer, rest = name.split(".", 2)
    return f"model.layers.{layer}.{PER_LAYER[rest]}"


def unpermuted(rows: numpy.ndarray, heads: int) -> numpy.ndarray:
    """GGUF keeps the pairs that RoPE rotates side by side; Hugging Face half a head apart."""
    head_dim = rows.shape[0] // heads
    return rows.reshape(heads, head_dim // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def config_of(reader: gguf.GGUFReader, names: set[str], dtype: str) -> dict:
    heads = metadata(reader, "llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": metadata(reader, "llama.embedding_length"),
        "intermediate_size": metadata(reader, "llama.feed_forward_length"),
        "num_hidden_layers": metadata(reader, "llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": metadata(reader, "llama.attention.head_count_kv", heads),
        "max_position_embeddings": metadata(reader, "llama.context_length"),
        "rms_norm_eps": float(metadata(reader, "llama.attention.layer_norm_rms_epsilon")),
        "rope_theta": float(metadata(reader, "llama.rope.freq_base", 10000.0)),
        "vocab_size": metadata(reader, "llama.vocab_size"),
        "tie_word_embeddings": "output.weight" not in names,
        "attention_bias": False,
        "bos_token_id": metadata(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": metadata(reader, "tokenizer.ggml.eos_token_id"),
        "torch_dtype": {"f32": "float32", "bf16": "bfloat16"}[dtype],
    }


def read_weights(reader: gguf.GGUFReader, config: dict, dtype: torch.dtype) -> dict:
    weights = {}
    for tensor in reader.tensors:
        rows = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if tensor.name.endswith("attn_q.weight"):
            rows = unpermuted(rows, config["num_attention_heads"])
        elif tensor.name.endswith("attn_k.weight"):
            rows = unpermuted(rows, config["num_key_value_heads"])
        values = torch.from_numpy(numpy.array(rows, dtype=numpy.float32))
        weights[hf_name(tensor.name)] = values.to(dtype).contiguous()
    return weights


def write_weights(weights: dict, folder: pathlib.Path, shards: int) -> None:
    if shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(weights)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: weights[name] for name in names[shard::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(part, file))
    total = sum(value.numel() * value.element_size() for value in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--no-tokenizer", action="store_true")
    options = parser.parse_args()

    reader = gguf.GGUFReader(options.model)
    config = config_of(reader, {tensor.name for tensor in reader.tensors}, options.dtype)
    options.folder.mkdir(parents=True, exist_ok=True)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
    write_weights(read_weights(reader, config, dtype), options.folder, options.shards)
    (options.folder / "config.json").write_text(json.dumps(config, indent=2))
    if not options.no_tokenizer:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(options.model.parent, gguf_file=options.model.name)
        tokenizer.save_pretrained(options.folder)


if __name__ == "__main__":
    main()
