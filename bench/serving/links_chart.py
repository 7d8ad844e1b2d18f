# SPDX-License-Identifier: Apache-2.0
"""Lines over a logarithmic axis as SVG: self-contained, told apart in grey by their marks."""

import math
from xml.sax.saxutils import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a7a7a")
OUTSTANDING = "#000000"
MARKS = ("circle", "square", "up", "down", "diamond")
WIDTH, HEIGHT = 880, 470
LEFT, TOP, RIGHT, BOTTOM = 76, 46, 210, 58
TEXT = 'font-family="Helvetica, Arial, sans-serif"'


def mark(kind, x, y, colour):
    r = 4.5
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{colour}"/>'
    corners = {"square": ((-1, -1), (1, -1), (1, 1), (-1, 1)), "up": ((0, -1.2), (1.1, 1), (-1.1, 1)),
               "down": ((0, 1.2), (1.1, -1), (-1.1, -1)),
               "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0))}[kind]
    points = " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def text(x, y, words, size=12, anchor="start", more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#222" '
            f'{TEXT} {more}>{escape(words)}</text>')


def round_numbers(low, high):
    """1, 2 and 5 of each decade within."""
    found = [digit * 10.0**power for power in range(-6, 7) for digit in (1, 2, 5)]
    return [value for value in found if low <= value <= high]


class Axis:
    """Logarithmic: values to pixels."""

    def __init__(self, values, start, end, margin):
        self.low = min(values) / margin
        self.high = max(values) * margin
        self.start, self.end = start, end

    def at(self, value):
        value = min(max(value, self.low), self.high)
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


class Lines:
    """`ticks`: (x, label); `series`: (name, [(x, y)], whether it is to stand out)."""

    def __init__(self, title, x_title, y_title, ticks):
        self.titles = (title, x_title, y_title)
        self.ticks = ticks
        self.series = []

    def add(self, name, points, stands_out=False):
        points = [(x, y) for x, y in points if y is not None and y > 0]
        if points:
            self.series.append((name, points, stands_out))

    def svg(self):
        """None: there is nothing to draw."""
        if not self.series:
            return None
        title, x_title, y_title = self.titles
        x_axis = Axis([x for x, _ in self.ticks], LEFT, WIDTH - RIGHT, 1.25)
        y_axis = Axis([y for _, points, _ in self.series for _, y in points], HEIGHT - BOTTOM, TOP, 1.2)
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                 f'width="{WIDTH}" height="{HEIGHT}" role="img"><title>{escape(title)}</title>',
                 f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
                 text(LEFT, 26, title, 15, more='font-weight="bold"')]
        for value in round_numbers(y_axis.low, y_axis.high):
            y = y_axis.at(value)
            parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e3e3e3"/>')
            parts.append(text(LEFT - 8, y + 4, f"{value:g}", anchor="end"))
        for value, label in self.ticks:
            x = x_axis.at(value)
            parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#e3e3e3"/>')
            parts.append(text(x, HEIGHT - BOTTOM + 18, label, anchor="middle"))
        middle = (TOP + HEIGHT - BOTTOM) / 2
        parts += [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_title, 13, "middle"),
                  text(20, middle, y_title, 13, "middle", f'transform="rotate(-90 20 {middle:.1f})"')]
        # What stands out comes last: over the others.
        for number, one in sorted(enumerate(self.series), key=lambda pair: pair[1][2]):
            parts += self.line(number, one, x_axis, y_axis)
        return "\n".join(parts) + "\n</svg>\n"

    def line(self, number, one, x_axis, y_axis):
        name, points, stands_out = one
        colour = OUTSTANDING if stands_out else COLOURS[number % len(COLOURS)]
        kind = MARKS[number % len(MARKS)]
        width = 3.5 if stands_out else 1.5
        places = [(x_axis.at(x), y_axis.at(y)) for x, y in sorted(points)]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts = [f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="{width}"/>']
        parts += [mark(kind, x, y, colour) for x, y in places]
        x, y = WIDTH - RIGHT + 18, TOP + 12 + 22 * number
        parts.append(f'<path d="M{x} {y}h26" stroke="{colour}" stroke-width="{width}"/>')
        parts.append(mark(kind, x + 13, y, colour))
        parts.append(text(x + 34, y + 4, name, more='font-weight="bold"' if stands_out else ""))
        return parts
