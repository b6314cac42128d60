"""The style sheet of pages: colours for light and dark, print on A4; no font or picture from elsewhere."""

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b1b1f",
    "soft": "#55555e",
    "grid": "#d9d9e0",
    "bar": "#6b6b76",
    "c0": "#b26a00",
    "c1": "#2f6fb0",
    "c2": "#2e8540",
    "c3": "#a3359a",
    "c4": "#c2452d",
    "c5": "#0f8387",
    "c6": "#7d6a1e",
    "c7": "#5b53c2",
    "c8": "#8a5a44",
    "c9": "#6b7280",
    "c10": "#d6336c",
}
"""Colours of light pages, by custom property; text (``ink``, ``soft``) has a contrast of 4.5 or more on ``paper``."""
DARK = {
    "paper": "#16161a",
    "ink": "#ececf1",
    "soft": "#b0b0ba",
    "grid": "#3a3a43",
    "bar": "#9a9aa6",
    "c0": "#f0a530",
    "c1": "#6fb1f2",
    "c2": "#66c27a",
    "c3": "#e08ad6",
    "c4": "#f08468",
    "c5": "#4fc4c8",
    "c6": "#cdb95a",
    "c7": "#a29bf2",
    "c8": "#c99a82",
    "c9": "#a3aab8",
    "c10": "#ff8fb3",
}
"""Colours of dark pages; see ``LIGHT``."""
SERIES = 11
"""Colours of series, ``c0`` and on; a drawing with more begins again."""
HEAT = {"light": ("#eef3fa", "#08306b"), "dark": ("#1f2733", "#a8d0ff")}
"""Ends of the colours of a heat map, on light and on dark pages; see ``shades``."""
SHADES = 9
"""Steps of a heat map, ``h0`` and on."""
_RULES = """
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:80rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.2rem;margin:2rem 0 .5rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,28rem),1fr));gap:2rem 2.5rem}
figure{margin:0;min-width:0}figcaption{font-weight:600}
figure p,.soft,header li{color:var(--soft);font-size:.9rem}figure p{margin:.3rem 0}
svg{display:block;width:100%;height:auto;max-width:40rem;margin:.5rem 0}
"""
_DRAWN = """
svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg .q{fill:var(--soft)}
svg .m{text-anchor:middle}svg .e{text-anchor:end}
.g,.x{fill:none;stroke:var(--grid)}.x{stroke:var(--bar)}.k{fill:var(--bar)}.n{fill:none;stroke:var(--bar)}
.l{fill:none!important;stroke-width:1.6;stroke-linejoin:round}.dash{stroke-dasharray:4 3}
.b{fill-opacity:.3}
"""
_REST = """
.total{font-size:1.25rem}ol,ul{padding-left:1.4rem}code{font-size:.9em}
summary{cursor:pointer;color:var(--soft);font-size:.9rem}
.wide{overflow-x:auto;max-height:26rem}pre.wide{max-height:none;font-size:.8rem}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .6rem .15rem 0;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child{text-align:left}tbody th{white-space:normal;min-width:7rem}thead th{text-align:right}
:focus-visible{outline:2px solid var(--c1);outline-offset:2px}
@media print{@page{size:A4;margin:14mm}html{font-size:12px}body{padding:0;max-width:none;font-size:1rem}
.figures{grid-template-columns:1fr 1fr;gap:6mm}figure{break-inside:avoid}h2{break-after:avoid}
details:not([open]){display:none}.wide{overflow:visible;max-height:none}pre.wide{white-space:pre-wrap;font-size:5pt}}
"""


def shades(mode: str) -> list[str]:
    """Return the colours of a heat map on light or dark pages, from the least to the most."""
    low, high = (_rgb(colour) for colour in HEAT[mode])
    steps = [k / (SHADES - 1) for k in range(SHADES)]
    return [
        "#" + "".join(f"{round(a + (b - a) * s):02x}" for a, b in zip(low, high, strict=True)) for s in steps
    ]


def sheet() -> str:
    """Return the style sheet of a page."""
    colours, classes = _colours()
    return f"{colours}{_RULES.rstrip()}{_DRAWN.rstrip()}{_REST}{classes}"


def drawn() -> str:
    """Return the style sheet of a drawing by itself."""
    colours, classes = _colours()
    return f"{colours}{_DRAWN}{classes}"


def _colours() -> tuple[str, str]:
    """Return the colours as custom properties, for light and dark and print, and the classes that bear them."""
    light, dark = (
        ";".join(f"--{n}:{c}" for n, c in {**own, **{f"h{k}": s for k, s in enumerate(shades(mode))}}.items())
        for own, mode in ((LIGHT, "light"), (DARK, "dark"))
    )
    colours = [f"c{k}" for k in range(SERIES)] + [f"h{k}" for k in range(SHADES)]
    classes = "".join(f".{c}{{fill:var(--{c});stroke:none}}.l.{c}{{stroke:var(--{c})}}" for c in colours)
    return (
        f":root{{color-scheme:light dark;{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
        f"@media print{{:root{{color-scheme:light;{light}}}}}",
        classes,
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21.

    Relative luminance and contrast ratio of the Web Content Accessibility Guidelines 2.2.
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [c / 255 for c in _rgb(colour)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
