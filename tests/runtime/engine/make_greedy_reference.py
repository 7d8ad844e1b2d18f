# SPDX-License-Identifier: Apache-2.0
"""Greedy answers of llama.cpp on the default model: python make_greedy_reference.py MODEL.gguf.

Writes greedy_reference.json beside this file: for each prompt its token ids and the ids that
llama.cpp (llama-cpp-python, CPU) chooses. llama.cpp rounds activations to 8 bits, so where two
tokens are almost equally likely it may choose the other one; the test allows for that.
"""
import json
import pathlib
import sys

import llama_cpp

PROMPTS = [
    "What is the capital of France?",
    "Write a haiku about a canal lock.",
    "Explain in two sentences why the sky is blue.",
    "List three prime numbers larger than ten.",
    "Übersetze ins Englische: Der Hund schläft.",
    "def fibonacci(n):\n    # Complete this function.",
    "Who wrote Romeo and Juliet, and when?",
    "Summarise: A boat cannot climb, so it is lifted in a chamber with gates at both ends.",
    "What is 12 times 12?",
    "日本の首都はどこですか？",
]
ANSWER_TOKENS = 32


def main():
    model = llama_cpp.Llama(sys.argv[1], n_ctx=2048, n_threads=2, verbose=False)
    here = pathlib.Path(__file__).parent
    handbook = (here / "../../../launch/demo_prompt.txt").read_text()
    cases = []
    for text in PROMPTS + [handbook]:
        chat = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
                f"Hugging Face<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n"
                "<|im_start|>assistant\n")
        prompt = model.tokenize(chat.encode(), add_bos=False, special=True)
        answer = []
        for token in model.generate(prompt, temp=0.0, repeat_penalty=1.0):
            answer.append(int(token))
            if token == model.token_eos() or len(answer) == ANSWER_TOKENS:
                break
        cases.append({"prompt": prompt, "answer": answer})
        print(model.detokenize(answer).decode(errors="replace"), file=sys.stderr)
    lines = ",\n".join(json.dumps(case) for case in cases)
    (here / "greedy_reference.json").write_text(f"[\n{lines}\n]\n")


main()
