# SPDX-License-Identifier: Apache-2.0
"""Items for bench_quality: passages with a question and the answer they hold.

    python bench/quality/items.py DATA --output items.jsonl [--count 12] [--seed 7]

DATA is a folder with a part of SQuAD 2.0 (CC BY-SA 4.0; the official JSON as squad-v2.0-*.json) and
of TriviaQA with passages (Apache-2.0, passages CC BY-SA; JSON lines of question, answers and
context as triviaqa-*.jsonl). Each line of the output is {task, prompt, question, answer_start,
answer}: the prompt ends with the question, and the model's answer is taken to begin with
answer_start. Tasks:

  needle     numbers hidden among sentences of SQuAD's articles, one or four of them, as RULER does
             (arXiv 2404.06654); three lengths
  squad      three paragraphs of one article, one of which answers
  triviaqa   a passage
"""
import argparse
import json
import pathlib
import random

CITIES = ["Paris", "Oslo", "Cairo", "Lima", "Tokyo", "Berlin", "Madrid", "Toronto", "Sydney", "Dublin"]
NEEDLE_TOKENS = [512, 1024, 1536]
NEEDLE_KEYS = [1, 4]
CHARACTERS_PER_TOKEN = 4.4  # of English prose, for the lengths above; nothing depends on it exactly
ANSWER_CHARACTERS_MAX = 60
BRIEFLY = "Answer in a few words. "


def item(task, context, question, answer, answer_start=""):
    return {"task": task, "prompt": f"{context}\n\n{question}", "question": question,
            "answer_start": answer_start, "answer": answer}


def haystack(paragraphs, characters, rng):
    sentences = []
    length = 0
    for paragraph in rng.sample(paragraphs, len(paragraphs)):
        for sentence in paragraph.split(". "):
            sentence = sentence.strip(". \n") + "."
            if length + len(sentence) > characters:
                return sentences
            sentences.append(sentence)
            length += len(sentence) + 1
    return sentences


def needles(articles, count, rng):
    paragraphs = [p["context"] for article in articles for p in article["paragraphs"]]
    kinds = [(tokens, keys) for tokens in NEEDLE_TOKENS for keys in NEEDLE_KEYS]
    for i in range(count):
        tokens, keys = kinds[i % len(kinds)]
        sentences = haystack(paragraphs, tokens * CHARACTERS_PER_TOKEN, rng)
        cities = rng.sample(CITIES, keys)
        numbers = [str(rng.randrange(1_000_000, 10_000_000)) for _ in cities]
        for city, number in zip(cities, numbers):
            sentences.insert(rng.randrange(len(sentences) + 1),
                             f"The special magic number for {city} is {number}.")
        asked = rng.randrange(keys)
        yield item("needle", " ".join(sentences),
                   f"What is the special magic number for {cities[asked]}?", " " + numbers[asked],
                   f"The special magic number for {cities[asked]} is")


def squad(articles, count, rng):
    def short(paragraph):
        return [q for q in paragraph["qas"] if not q["is_impossible"]
                and len(q["answers"][0]["text"]) <= ANSWER_CHARACTERS_MAX]

    for i in range(count):
        paragraphs = articles[i % len(articles)]["paragraphs"]
        asked = rng.choice([n for n, p in enumerate(paragraphs) if short(p)])
        question = rng.choice(short(paragraphs[asked]))
        chosen = rng.sample([n for n in range(len(paragraphs)) if n != asked], 2)
        chosen.insert(rng.randrange(3), asked)
        context = "\n\n".join(paragraphs[n]["context"] for n in chosen)
        yield item("squad", context, BRIEFLY + question["question"], question["answers"][0]["text"])


def triviaqa(questions, count, rng):
    for question in rng.sample(questions, min(count, len(questions))):
        found = [a for a in question["answers"] if a in question["context"]]
        yield item("triviaqa", question["context"], BRIEFLY + question["question"],
                   (found or question["answers"])[0])


def only_file(folder, pattern):
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise SystemExit(f"{folder} holds {len(files)} files {pattern}, not one")
    return files[0].read_text(encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=12, help="items of each task")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    articles = json.loads(only_file(arguments.data, "squad-v2.0-*.json"))["data"]
    questions = [json.loads(line) for line in
                 only_file(arguments.data, "triviaqa-*.jsonl").splitlines()]
    items = []
    for n, (make, source) in enumerate([(needles, articles), (squad, articles),
                                        (triviaqa, questions)]):
        # A generator of random numbers each: one task's count does not change another's items.
        items += make(source, arguments.count, random.Random(f"{arguments.seed}/{n}"))
    with arguments.output.open("w", encoding="utf-8") as file:
        for one in items:
            file.write(json.dumps(one, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
