# SPDX-License-Identifier: Apache-2.0
"""Scores answers as the data sets' official scripts do, for answer_score_test.

usage: make_answer_score_cases.py > answer_score_cases.hpp (and clang-format -i it)

Written from the rules of SQuAD's evaluate-v2.0.py, HotpotQA's hotpot_evaluate_v1.py, TriviaQA's
triviaqa_evaluation.py and RULER's constants.py; nothing beside Python's standard library.
"""

import re
import string
from collections import Counter

CASES = [
    # task, gold answers, said
    ("squad", ["France"], "France"),
    ("squad", ["France"], " The france. "),
    ("squad", ["France"], "Germany"),
    ("squad", ["the 10th and 11th centuries", "10th century"], "in the 10th century"),
    ("squad", ["Denmark, Iceland and Norway"], "Norway, Denmark, Iceland and Sweden"),
    ("squad", ["a b b c"], "b b b"),
    ("squad", ["New York"], "new-york"),
    ("squad", ["U.S."], "US"),
    ("squad", ["don't"], "dont"),
    ("squad", ["theatre"], "the theatre an athlete a"),
    ("squad", ["\u00c9cole \u00c0 Paris"], "\u00e9cole \u00e0 paris"),
    ("squad", ["\u201cThe\u201d end"], "\u201c\u201d end"),
    ("squad", ["\u00e0the\u00e9"], "\u00e0 \u00e9"),
    ("squad", ["a\u0301 x"], "\u0301 x"),
    ("squad", ["30,000"], "30000"),
    ("squad", ["one\u00a0two\u3000three"], "one two\tthree"),
    ("squad", ["\u20ac5 \u2014 six"], "5 six"),
    ("squad", ["The"], ""),
    ("squad", ["The", "France"], ""),
    ("squad", [""], ""),
    ("squad", [""], "the"),
    ("squad", [""], "nothing"),
    ("squad", ["France"], ""),
    ("squad", ["the_a"], "thea"),
    ("squad", ["a-b"], "ab"),
    ("squad", ["\u039c\u03cc\u03c3\u03c7\u03b1 \u041c\u043e\u0441\u043a\u0432\u0430"],
     "\u03bc\u03cc\u03c3\u03c7\u03b1 \u043c\u043e\u0441\u043a\u0432\u0430"),
    ("squad", ["\u6771\u4eac a"], "\u6771\u4eac"),
    ("squad", ["\u00bd the \u2164"], "\u00bd \u2174"),
    ("squad", ["x\u200by"], "x y"),
    ("hotpotqa", ["yes"], "yes"),
    ("hotpotqa", ["yes"], "Yes."),
    ("hotpotqa", ["yes"], "yes, they were"),
    ("hotpotqa", ["yes"], "no"),
    ("hotpotqa", ["no"], "no one"),
    ("hotpotqa", ["no one"], "no"),
    ("hotpotqa", ["noanswer"], "noanswer"),
    ("hotpotqa", ["noanswer"], "noanswer here"),
    ("hotpotqa", ["Chief of Protocol"], "the chief of protocol"),
    ("hotpotqa", ["Chief of Protocol"], "no chief of protocol"),
    ("hotpotqa", ["3,677 seated"], "3677"),
    ("hotpotqa", ["the"], "the"),
    ("hotpotqa", ["from 1986 to 2013"], "1986\u20132013"),
    ("hotpotqa", ["from 1986 to 2013"], "1986 to 2013, he managed"),
    ("triviaqa", ["Cotswold Hills", "Cotswolds", "The Cotswolds"], "the cotswolds"),
    ("triviaqa", ["Cotswold Hills", "Cotswolds"], "The hills are the Cotswold Hills"),
    ("triviaqa", ["Rock'n'roll"], "rock n roll"),
    ("triviaqa", ["Rock\u2019n\u2018roll"], "rock n roll"),
    ("triviaqa", ["Rock\u00b4n`roll"], "rock n roll"),
    ("triviaqa", ["U.S."], "US"),
    ("triviaqa", ["U.S."], "u s"),
    ("triviaqa", ["New_York"], "new york"),
    ("triviaqa", ["New_York_(the_city)"], "New York city"),
    ("triviaqa", ["don't"], "don t"),
    ("triviaqa", ["a"], "a"),
    ("triviaqa", ["St. Cecilia", "Cecilia"], "Saint Cecilia!"),
    ("triviaqa", ["\u201cX\u201d"], "x"),
    ("triviaqa", ["Paul Dukas"], "Claude Debussy"),
    ("needle", [" 1234567"], " 1234567."),
    ("needle", [" 1234567"], "It is 12345678"),
    ("needle", [" 1234567"], "1,234,567"),
    ("needle", [" 1234567"], ""),
    ("needle", ["ABC", "x"], "abc"),
]


def words(text, task):
    text = text.lower()
    marks = string.punctuation
    if task == "triviaqa":
        marks += "\u2018\u2019\u00b4`"
    text = text.translate({ord(c): " " if task == "triviaqa" else None for c in marks})
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def f1(gold, said, task):
    gold, said = words(gold, task), words(said, task)
    if task == "squad" and not (gold and said):
        return float(gold == said)
    if task == "hotpotqa" and gold != said:
        if " ".join(gold) in ("yes", "no", "noanswer") or " ".join(said) in ("yes", "no", "noanswer"):
            return 0.0
    same = sum((Counter(gold) & Counter(said)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(said), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def scores(task, golds, said):
    """Score and exact match."""
    if task == "needle":
        found = sum(gold.strip().lower() in said.lower() for gold in golds) / len(golds)
        return found, found
    if task == "squad":
        golds = [gold for gold in golds if words(gold, task)] or [""]
    exact = max(float(words(gold, task) == words(said, task)) for gold in golds)
    return max(f1(gold, said, task) for gold in golds), exact


def literal(text):
    """A C++ literal in UTF-8; escapes are octal, which three digits end."""
    out = ""
    for character in text:
        if character in '"\\':
            out += "\\" + character
        elif " " <= character <= "~":
            out += character
        else:
            out += "".join(f"\\{byte:03o}" for byte in character.encode())
    return f'"{out}"'


def main():
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Written by make_answer_score_cases.py from the rules of the official scripts.")
    print("#pragma once\n\n#include <string>\n#include <vector>\n\nnamespace sluice::runtime {\n")
    print("struct AnswerScoreCase {\n  const char* task;\n  std::vector<std::string> answers;")
    print("  const char* said;\n  double score;\n  double exact_match;\n};\n")
    print("inline const std::vector<AnswerScoreCase> kAnswerScoreCases = {")
    for task, golds, said in CASES:
        score, exact = scores(task, golds, said)
        answers = ", ".join(literal(gold) for gold in golds)
        print(f'    {{"{task}", {{{answers}}}, {literal(said)}, {score!r}, {exact!r}}},')
    print("};\n\n}  // namespace sluice::runtime")


if __name__ == "__main__":
    main()
