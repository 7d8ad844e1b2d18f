# SPDX-License-Identifier: Apache-2.0
"""Renders chats with jinja2, as Hugging Face's apply_chat_template does, for chat_template_test.

usage: make_chat_template_cases.py FOLDER MODEL.gguf > chat_template_cases.json

FOLDER holds one file per template, named as in MODELS: the `chat_template` text of the model's
tokenizer_config.json (its licence is the model's, so the texts are not kept here). SmolLM2's own is
read from MODEL.gguf. Needs jinja2 and gguf.
"""

import json
import pathlib
import sys

import gguf
import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

# file -> family, model, beginning and end of text
MODELS = {
    "chatml": ("chatml", "the ChatML template of transformers' documentation, short form", "", ""),
    "chatml-guarded": ("chatml", "01-ai/Yi-34B-Chat", "", ""),
    "smollm2": ("smollm2", "HuggingFaceTB/SmolLM2-135M-Instruct", "", ""),
    "qwen1.5": ("qwen1.5", "Qwen/Qwen1.5-7B-Chat", "", ""),
    "qwen2": ("qwen2", "Qwen/Qwen2-7B-Instruct", "", ""),
    "qwen2.5": ("qwen2.5", "Qwen/Qwen2.5-7B-Instruct", "", ""),
    "yi": ("yi", "01-ai/Yi-1.5-9B-Chat", "", ""),
    "llama3": ("llama3", "meta-llama/Meta-Llama-3-8B-Instruct", "<|begin_of_text|>", "<|eot_id|>"),
    "llama3.1": ("llama3.1", "meta-llama/Llama-3.1-8B-Instruct", "<|begin_of_text|>", "<|eot_id|>"),
    "llama2": ("llama2", "meta-llama/Llama-2-7b-chat-hf", "<s>", "</s>"),
    "mistral": ("mistral", "mistralai/Mistral-7B-Instruct-v0.2", "<s>", "</s>"),
    "mistral-spaced": ("mistral-spaced", "mistralai/Mistral-7B-Instruct-v0.1", "<s>", "</s>"),
    "mistral-v3": ("mistral-v3", "mistralai/Mistral-7B-Instruct-v0.3", "<s>", "</s>"),
    "mistral-tekken": ("mistral-tekken", "mistralai/Mistral-Nemo-Instruct-2407", "<s>", "</s>"),
}

S, U, A = "system", "user", "assistant"
CHATS = [
    [(U, "What is the capital of France?")],
    [(S, "Be brief."), (U, "Hi")],
    [(U, "  two  words \n"), (A, "\t yes\u00a0"), (U, "\u3000and then?\x1c")],
    [(S, " \n You are <b>kind</b>.\n"), (U, "a"), (A, "b"), (U, "c"), (A, " d ")],
    [(S, ""), (U, "{{ braces }} {% raw %} <|im_end|> 'quotes' \\n")],
    [(U, "één ünïcode 你好 👩‍🚀"), (A, "")],
    [(U, "one"), (U, "two")],
    [(A, "I begin."), (U, "so?")],
]


def fingerprint(text):
    """FNV-1a, as runtime/tokenizer/chat_family.hpp describes it."""
    value = 0xCBF29CE484222325
    for byte in text.removesuffix("\n").replace("\\n", "\n").encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def raise_exception(message):
    raise jinja2.TemplateError(message)


def main():
    folder, model = pathlib.Path(sys.argv[1]), sys.argv[2]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.globals["raise_exception"] = raise_exception
    templates = []
    for file, (family, name, bos, eos) in MODELS.items():
        if file == "smollm2":
            text = gguf.GGUFReader(model).fields["tokenizer.chat_template"].contents()
        else:
            text = (folder / f"{file}.jinja").read_text()
        template, renders = environment.from_string(text), []
        for chat in CHATS:
            messages = [{"role": role, "content": content} for role, content in chat]
            for prompt in (False, True):
                try:
                    renders.append(template.render(messages=messages, add_generation_prompt=prompt,
                                                   bos_token=bos, eos_token=eos))
                except jinja2.TemplateError:
                    renders.append(None)
        templates.append({"model": name, "family": family, "fingerprint": f"{fingerprint(text):016x}",
                          "renders": renders})
    json.dump({"chats": CHATS, "templates": templates}, sys.stdout, indent=1)
    print()


main()
