#!/usr/bin/env python3
"""Makes an SVG chart and a Markdown table of results of bench/trex/run.py and bench/pktgen's scripts.

Several results of one mode come into one chart, each under its label.
"""

import argparse
import json
import sys
from xml.sax.saxutils import escape

FORMAT = "weir-nic/1"
MODES = ("ndr", "loss", "latency", "synflood")
COLORS = ("#1f77b4", "#d95f02", "#2a9d5c", "#7b5ea7", "#c2185b", "#8c6d31", "#17879c", "#666666")
WIDTH, HEIGHT = 900, 480
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 50, 60


class ResultError(Exception):
    """A file that is no result, or results that do not fit into one chart."""


def load(path):
    try:
        with open(path) as f:
            doc = json.load(f)
    except (OSError, ValueError) as e:
        raise ResultError("%s: %s" % (path, e))
    if not isinstance(doc, dict) or doc.get("format") != FORMAT or doc.get("mode") not in MODES:
        raise ResultError("%s is not a result: its format is not %s" % (path, FORMAT))
    if not doc.get("results"):
        raise ResultError("%s has no results in it" % path)
    return doc


def together(docs):
    modes = sorted({d["mode"] for d in docs})
    if len(modes) != 1:
        raise ResultError("results of %s do not fit into one chart: give those of one mode" % " and ".join(modes))
    return modes[0]


def size_name(size):
    return "IMIX" if size == "imix" else str(size)


def ticks(top):
    """Round values from 0 to at least top, and not many."""
    if top <= 0:
        return [0, 1]
    step = 1.0
    while step * 8 < top:
        step *= 10
    while step * 8 >= top * 10:
        step /= 10
    for factor in (1, 2, 5, 10):
        if step * factor * 8 >= top:
            step *= factor
            break
    n = int(-(-top // step))
    return [i * step for i in range(n + 1)]


class Svg:
    """A drawing with axes; x and y turn values into places."""

    def __init__(self, title, x_label, y_label, x_top, y_top):
        self.out = []
        self.y_ticks = ticks(y_top)
        self.x_top, self.y_top = x_top, self.y_ticks[-1]
        self.text(WIDTH / 2, 24, title, "middle", 17)
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, "middle")
        self.out.append('<text transform="translate(18 %g) rotate(-90)" text-anchor="middle" font-size="13">%s</text>' % (
            (TOP + HEIGHT - BOTTOM) / 2, escape(y_label)))
        for tick in self.y_ticks:
            self.line(LEFT, self.y(tick), WIDTH - RIGHT, self.y(tick), "#dddddd")
            self.text(LEFT - 8, self.y(tick) + 4, "%g" % round(tick, 9), "end")
        self.line(LEFT, self.y(0), WIDTH - RIGHT, self.y(0), "#333333")

    def x(self, value):
        return LEFT + (WIDTH - LEFT - RIGHT) * value / float(self.x_top)

    def y(self, value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / float(self.y_top)

    def line(self, x1, y1, x2, y2, color, width=1):
        self.out.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>' % (
            x1, y1, x2, y2, color, width))

    def text(self, x, y, text, anchor="start", size=13):
        self.out.append('<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d">%s</text>' % (
            x, y, anchor, size, escape(text)))

    def bar(self, x, width, value, color, title):
        self.out.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s</title></rect>' % (
            x, self.y(value), width, self.y(0) - self.y(value), color, escape(title)))

    def curve(self, points, color, dashes=""):
        self.out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>' % (
            " ".join("%.1f,%.1f" % (self.x(x), self.y(y)) for x, y in points), color,
            ' stroke-dasharray="%s"' % dashes if dashes else ""))
        for x, y in points:
            self.out.append('<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%g: %g</title></circle>' % (
                self.x(x), self.y(y), color, x, y))

    def legend(self, entries):
        for i, (name, color) in enumerate(entries):
            y = TOP + 6 + 17 * i
            self.out.append('<rect x="%d" y="%d" width="11" height="11" fill="%s"/>' % (WIDTH - RIGHT - 270, y, color))
            self.text(WIDTH - RIGHT - 253, y + 10, name, size=12)

    def finish(self):
        return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif">\n'
                '<rect width="%d" height="%d" fill="white"/>\n%s\n</svg>\n' % (
                    WIDTH, HEIGHT, WIDTH, HEIGHT, "\n".join(self.out)))


def series(docs):
    """One (name, result) for each size of each result, in order."""
    several = len(docs) > 1
    for doc in docs:
        for result in doc["results"]:
            name = size_name(result["size"]) + (" bytes" if result["size"] != "imix" else "")
            yield ("%s, %s" % (doc["label"], name) if several else name), result


def draw_ndr(docs):
    """A group of bars for each size, and over it line rate."""
    sizes = []
    for doc in docs:
        sizes += [r["size"] for r in doc["results"] if r["size"] not in sizes]
    sizes.sort(key=lambda s: (s == "imix", s if s != "imix" else 0))
    top = max(max(r["pps"] for r in d["results"]) for d in docs)
    line = max(r["line_pps"] for d in docs for r in d["results"])
    svg = Svg("Packets without loss", "frame size in bytes", "Mpps", len(sizes), min(max(top * 1.25, 1), max(line, top)) / 1e6)
    width = (svg.x(1) - svg.x(0)) * 0.8 / len(docs)
    for i, size in enumerate(sizes):
        svg.text(svg.x(i + 0.5), HEIGHT - BOTTOM + 18, size_name(size), "middle")
        for k, doc in enumerate(docs):
            for result in doc["results"]:
                if result["size"] == size:
                    x = svg.x(i + 0.1) + k * width
                    svg.bar(x, width - 2, result["pps"] / 1e6, COLORS[k % len(COLORS)], "%s: %.3f Mpps, %.1f %% of line rate" % (
                        doc["label"], result["pps"] / 1e6, 100 * result["pps"] / result["line_pps"]))
                    if result["line_pps"] / 1e6 <= svg.y_top:
                        y = svg.y(result["line_pps"] / 1e6)
                        svg.line(x, y, x + width - 2, y, "#333333", 2)
    svg.legend([(d["label"], COLORS[i % len(COLORS)]) for i, d in enumerate(docs)] + [("line rate", "#333333")])
    return svg.finish()


def draw_curves(docs, title, x_label, y_label, points_of):
    """A curve for each size of each result; points_of(result) gives its points, or several curves as (name, points)."""
    curves = []
    for name, result in series(docs):
        curves += [(name + suffix, points) for suffix, points in points_of(result) if points]
    if not curves:
        raise ResultError("there is nothing to draw: no point was measured")
    svg = Svg(title, x_label, y_label, max(x for _, ps in curves for x, _ in ps),
              1.2 * max(y for _, ps in curves for _, y in ps))
    for tick in ticks(svg.x_top):
        if tick <= svg.x_top:
            svg.text(svg.x(tick), HEIGHT - BOTTOM + 18, "%g" % round(tick, 9), "middle")
    for i, (_, points) in enumerate(curves):
        svg.curve(sorted(points), COLORS[i % len(COLORS)], "" if i < len(COLORS) else "6 3")
    svg.legend([(name, COLORS[i % len(COLORS)]) for i, (name, _) in enumerate(curves)])
    return svg.finish()


def latency_points(result):
    points = [p for p in result["points"] if p.get("us")]
    if any("p99" in p["us"] for p in points):
        return [(", p50", [(p["percent"], p["us"]["p50"]) for p in points]),
                (", p99", [(p["percent"], p["us"]["p99"]) for p in points])]
    return [(", least", [(p["percent"], p["us"]["min"]) for p in points]),
            (", greatest", [(p["percent"], p["us"]["max"]) for p in points])]


def draw(docs):
    mode = together(docs)
    if mode == "ndr":
        return draw_ndr(docs)
    if mode == "loss":
        return draw_curves(docs, "Loss under load", "load, percent of line rate", "percent of the frames lost",
                           lambda r: [("", [(p["percent"], 100 * p["loss"]) for p in r["points"]])])
    if mode == "latency":
        return draw_curves(docs, "Latency under load", "load, percent of line rate", "microseconds", latency_points)
    return draw_curves(docs, "SYN flood", "Mpps of SYNs sent", "Mpps forwarded",
                       lambda r: [("", [(p["pps"] / 1e6, p["forwarded_pps"] / 1e6) for p in r["points"]])])


def value(number, digits=1):
    return "–" if number is None else "%.*f" % (digits, number)


def rows(mode, doc):
    """The head and the rows of a result's table."""
    us = ("min", "mean", "p50", "p99", "p999", "max")
    if mode == "ndr":
        yield ["frame", "Mpps", "Gbit/s", "% of line rate", "limited by", "confirmed"]
    elif mode == "loss":
        yield ["frame", "load %", "Mpps sent", "lost %"]
    elif mode == "latency":
        yield ["frame", "load %", "Mpps", "lost %", "min µs", "mean", "p50", "p99", "p99.9", "max"]
    else:
        yield ["frame", "Mpps SYNs", "Mpps forwarded", "lost %", "others lost %", "others p99 µs"]
    for r in doc["results"]:
        size = size_name(r["size"])
        if mode == "ndr":
            share = 100 * r["pps"] / r["line_pps"]
            yield [size, value(r["pps"] / 1e6, 3), value(r["gbps"], 2), value(share), r["limited_by"],
                   "yes" if r["confirmed"] else "no"]
            continue
        for p in r["points"]:
            lost, mpps = value(100 * p["loss"], 4), value(p["pps"] / 1e6, 3)
            if mode == "loss":
                yield [size, value(p["percent"]), mpps, lost]
            elif mode == "latency":
                yield [size, value(p["percent"]), mpps, lost] + [value((p.get("us") or {}).get(k)) for k in us]
            else:
                by = p.get("bystanders") or {}
                total = by.get("samples", 0) + by.get("lost", 0)
                yield [size, mpps, value(p["forwarded_pps"] / 1e6, 3), lost,
                       value(100.0 * by["lost"] / total if total else None, 4), value(by.get("p99"))]


def markdown(docs):
    mode, out = together(docs), []
    for doc in docs:
        s = doc["settings"]
        out.append("**%s** · %s %s · %g Gbit/s · trials of %g s · %s" % (
            doc["label"], doc["generator"]["name"], doc["generator"]["version"], doc["link_gbps"], s["duration"], doc["time"]))
        out.append("")
        table = list(rows(mode, doc))
        out.append("| " + " | ".join(table[0]) + " |")
        out.append("|" + "---:|" * len(table[0]))
        out += ["| " + " | ".join(row) + " |" for row in table[1:]]
        out.append("")
    return "\n".join(out)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("results", nargs="+", metavar="RESULT", help="result files, all of one mode")
    p.add_argument("--svg", metavar="FILE", help="where the chart goes")
    p.add_argument("--markdown", metavar="FILE", help="where the table goes; without it, to the terminal")
    args = p.parse_args(argv)
    try:
        docs = [load(path) for path in args.results]
        table = markdown(docs)
        picture = draw(docs) if args.svg else None
    except ResultError as e:
        print("chart.py: %s" % e, file=sys.stderr)
        return 1
    if picture:
        with open(args.svg, "w", encoding="utf-8") as f:
            f.write(picture)
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as f:
            f.write(table)
    else:
        print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
