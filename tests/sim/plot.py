# SPDX-License-Identifier: Apache-2.0
"""Draws the errors of all systems as a bar chart in SVG."""
from xml.sax.saxutils import escape

COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7"]  # Okabe and Ito: told apart by colour-blind eyes
LEFT, RIGHT, TOP = 150, 40, 62
BAR, GAP, SCALE = 7, 10, 5.6  # height of a bar, space between scenarios, pixels per percent


def text(x: float, y: float, content: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(content)}</text>'


def bar(y: float, colour: str, error: dict) -> list[str]:
    """A bar to the mean, a thin line on to the worst."""
    mean, worst = 100 * error["mean"] * SCALE, 100 * error["worst"] * SCALE
    middle = y + BAR / 2
    return [f'<rect x="{LEFT}" y="{y:.1f}" width="{max(mean, 1):.1f}" height="{BAR - 1}" fill="{colour}"/>',
            f'<path d="M{LEFT + mean:.1f} {middle:.1f}H{LEFT + worst:.1f}M{LEFT + worst:.1f} {y + 1:.1f}v{BAR - 3}" '
            f'stroke="{colour}" fill="none"/>']


def svg(scenarios: list[dict], systems: list[str]) -> str:
    group = BAR * len(systems) + GAP
    width, bottom = LEFT + 100 * SCALE + RIGHT, TOP + group * len(scenarios)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{bottom + 34}" '
             f'viewBox="0 0 {width:.0f} {bottom + 34}" font-family="sans-serif" fill="#222">',
             "<title>Error of the energy given to each VM, by scenario and system</title>",
             f'<rect width="100%" height="100%" fill="#fff"/>',
             text(LEFT, 18, "Error of a VM's package energy against the simulated truth", size=14)]
    for i, system in enumerate(systems):
        x = LEFT + 130 * i
        parts += [f'<rect x="{x}" y="30" width="10" height="10" fill="{COLOURS[i]}"/>', text(x + 15, 39.5, system)]
    for tick in range(0, 101, 20):
        x = LEFT + tick * SCALE
        parts += [f'<path d="M{x:.1f} {TOP - 6}V{bottom}" stroke="#ddd"/>',
                  text(x, bottom + 16, f"{tick} %", "middle", 11)]
    for row, scenario in enumerate(scenarios):
        y = TOP + group * row
        parts.append(text(LEFT - 8, y + BAR * len(systems) / 2 + 4, scenario["name"], "end"))
        for i, system in enumerate(systems):
            parts += bar(y + BAR * i, COLOURS[i], scenario["errors"][system])
    parts += [text(LEFT, bottom + 30, "bar: mean over the VMs; line: the worst VM", size=11), "</svg>"]
    return "\n".join(parts) + "\n"
