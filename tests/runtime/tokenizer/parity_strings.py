# SPDX-License-Identifier: Apache-2.0
"""The strings of the tokenizer parity test: deterministic, from Unicode ranges and templates."""

import random

SCRIPTS = [
    (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x250, 0x2AF), (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x4FF), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x74F),
    (0x900, 0x97F), (0x980, 0x9FF), (0xA00, 0xA7F), (0xB80, 0xBFF), (0xC00, 0xC7F),
    (0xD00, 0xD7F), (0xE00, 0xE7F), (0xF00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x10FF),
    (0x1100, 0x11FF), (0x1200, 0x137F), (0x13A0, 0x13FF), (0x1680, 0x169F), (0x1780, 0x17FF),
    (0x1800, 0x18AF), (0x1D00, 0x1D7F), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F),
    (0x2070, 0x209F), (0x20A0, 0x20CF), (0x2100, 0x214F), (0x2150, 0x218F), (0x2190, 0x21FF),
    (0x2200, 0x22FF), (0x2460, 0x24FF), (0x2500, 0x257F), (0x2580, 0x259F), (0x2600, 0x27BF),
    (0x2C00, 0x2C5F), (0x2E80, 0x2EFF), (0x3000, 0x303F), (0x3040, 0x30FF), (0x3130, 0x318F),
    (0x3400, 0x3500), (0x4E00, 0x9FFF), (0xA000, 0xA0FF), (0xA640, 0xA69F), (0xA720, 0xA7FF),
    (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xF900, 0xFA2F), (0xFB00, 0xFB4F), (0xFB50, 0xFBFF),
    (0xFE00, 0xFE0F), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF), (0xFFF0, 0xFFFD), (0x10000, 0x1007F),
    (0x10330, 0x1034F), (0x10400, 0x1044F), (0x10840, 0x1085F), (0x12000, 0x120FF),
    (0x13000, 0x130FF), (0x1D400, 0x1D7FF), (0x1E900, 0x1E95F), (0x1F000, 0x1F0FF),
    (0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1F9FF), (0x20000, 0x200FF),
    (0x2EBF0, 0x2EC40), (0x31350, 0x313A0), (0xE0100, 0xE01EF), (0xF0000, 0xF00FF),
]
WORDS = ("the of and to in is for on that with as was prefill decode cache don't I'll we've it's "
         "HELLO'S They'RE CamelCase snake_case getHTTPResponse über naïve façade Straße "
         "Привет мир Γειά σου 你好 世界 東京 こんにちは カタカナ 안녕하세요 สวัสดี नमस्ते مرحبا שלום "
         "ሰላም გამარჯობა Việt Nam İstanbul ﬁne ½ ² Ⅷ x² 1st 2nd e\u0301 A\u030a").split()
EMOJI = ["\U0001F600", "\u2764\ufe0f", "\U0001F468\u200d\U0001F469\u200d\U0001F467",
         "\U0001F3F3\ufe0f\u200d\U0001F308", "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA", "1\ufe0f\u20e3",
         "\U0001F9D1\U0001F3FF\u200d\U0001F680", "\u263a", "\U0001FAE8"]
SPACES = [" ", "  ", "   ", "    ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\n ", "\u00a0",
          "\u2003", "\u2028", "\u3000", "\u0085", "\u180e", "\u200b", "\ufeff", "\x0b", "\x0c", "\u1680"]
CODE = ["def f(x):\n    return x ** 2  # square\n", "for (int i = 0; i < n; ++i) {\n\ta[i] += b[i];\n}\n",
        "SELECT * FROM t WHERE a='b' AND c IS NOT NULL;", "{\"key\": [1, 2.5e-3, null, true]}",
        "<div class=\"x\">&nbsp;</div>", "#include <vector>\n", "x = y if z else -w  \n\n\n",
        "std::unique_ptr<T> p{nullptr};", "$ grep -rn 'foo' . | wc -l", "\\begin{align} a &= b \\\\ \\end{align}",
        "https://example.org/a/b?c=d&e=%20#f", "0xDEADBEEF 0b1010 1_000_000", "a\\nb\\t\"c\"", "/* ... */ // x"]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<file_sep>", "<s>", "</s>",
           "<unk>", "[INST]", "[/INST]", "<|im_", "im_end|>", "<|im_start|", "< |im_end|>", "<0x0A>",
           "<empty_output>", "<jupyter_code>", "[TOOL_CALLS]", "<<SYS>>", "\u2581", "\u2581\u2581a", "\u0120"]


def character(rng):
    low, high = rng.choice(SCRIPTS)
    return chr(rng.randint(low, high))


def one_script(rng):
    low, high = rng.choice(SCRIPTS)
    text = "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 24)))
    return text if rng.random() < 0.5 else " ".join(text[i:i + 4] for i in range(0, len(text), 4))


def any_characters(rng):
    text = []
    for _ in range(rng.randint(1, 20)):
        code = rng.randrange(0x110000)
        text.append(chr(code) if not 0xD800 <= code < 0xE000 else " ")
    return "".join(text)


def mixed(rng):
    parts = []
    for _ in range(rng.randint(2, 14)):
        pool = rng.choice([WORDS, WORDS, WORDS, EMOJI, SPACES, SPACES, CODE, SPECIAL])
        parts.append(rng.choice(pool))
        if rng.random() < 0.5:
            parts.append(" ")
    return "".join(parts)


def numbers(rng):
    digits = "0123456789" if rng.random() < 0.8 else "٠١٢٣४५६７８９²½Ⅷ"
    text = "".join(rng.choice(digits) for _ in range(rng.randint(1, 14)))
    return rng.choice(["{}", " {}", "{}.{}", "-{},{}", "v{}", "{}%", "${}", "{}e-{}", "a{}b", "{} {}"]).format(text, text[:3])


def white_space(rng):
    return "".join(rng.choice(SPACES + ["a", "b.", "1"]) for _ in range(rng.randint(1, 12)))


def controls(rng):
    return "".join(chr(rng.choice([rng.randrange(32), 127, rng.randrange(128, 160), 65, 32]))
                   for _ in range(rng.randint(1, 12)))


def long_word(rng):
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice("aA=-_ \n\t.").join([""] * rng.randint(20, 400))
    if kind == 1:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(40, 300)))
    if kind == 2:
        return "".join(character(rng) for _ in range(rng.randint(40, 120)))
    return rng.choice(["ab", "the", " a", "你好", "ー", "haha"]) * rng.randint(10, 100)


def punctuation(rng):
    marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~…—–“”‘’«»¿¡、。！？（）「」"
    text = ""
    for _ in range(rng.randint(1, 12)):
        text += rng.choice(marks) * rng.choice([1, 1, 1, 2, 3]) + rng.choice(["", "", " ", "a", "'s", "\n", "X"])
    return text


def sentence(rng):
    text = " ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 30)))
    return text + rng.choice([".", "?", "!\n", " ", "", "...", ".\n\n"])


def make_strings():
    """About 12,000 strings, the same on every run."""
    rng = random.Random(20240601)
    strings = ["", " ", "  ", "\n", "a", " a", "a ", "\u2581", "'", "''s", "\x00", "<|im_end|>"]
    strings += WORDS + EMOJI + SPACES + CODE + SPECIAL
    strings += [chr(c) for c in range(0x00, 0x250)]
    strings += ["x" + chr(low) + chr(high) + "y" for low, high in SCRIPTS]
    for kind, count in [(one_script, 2000), (any_characters, 1000), (mixed, 3000), (numbers, 800),
                        (white_space, 1000), (controls, 500), (long_word, 300), (punctuation, 1000),
                        (sentence, 1500)]:
        strings += [kind(rng) for _ in range(count)]
    return strings
