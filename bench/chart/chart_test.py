"""Charts and tables of results that are made up."""

import contextlib
import io
import json
import os
import tempfile
import unittest
import xml.etree.ElementTree as xml

import chart


def result(mode, results, label="TCP <nat> & more"):
    return {"format": "weir-nic/1", "generator": {"name": "trex", "version": "v3.08"}, "mode": mode, "label": label,
            "time": "2026-01-02T03:04:05Z", "link_gbps": 25, "settings": {"duration": 60}, "results": results}


def point(percent, loss=0, **more):
    return dict({"percent": percent, "pps": percent * 1e5, "loss": loss}, **more)


NDR = [{"size": s, "line_pps": 37e6 if s == 64 else 2e6, "pps": 12.3456e6 if s == 64 else 2e6, "gbps": 8.3, "limited_by": "device",
        "confirmed": s == 64} for s in (64, 1518, "imix")]
US = {"samples": 1000, "lost": 10, "min": 5, "mean": 6, "p50": 10, "p99": 20, "p999": 30, "max": 28, "jitter": 1}
EVERY = {
    "ndr": NDR,
    "loss": [{"size": 64, "line_pps": 37e6, "points": [point(100, 0.5), point(90, 0), point(80, 0)]}],
    "latency": [{"size": 64, "line_pps": 37e6, "points": [point(10, us=US), point(50, us=US), point(90, us=None)]}],
    "synflood": [{"size": 64, "line_pps": 37e6, "points": [
        point(10, forwarded_pps=1e6, bystanders=US), point(100, 0.4, forwarded_pps=6e6)]}],
}


class ChartTest(unittest.TestCase):
    def run_it(self, *docs):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for i, doc in enumerate(docs):
                paths.append(os.path.join(folder, "%d.json" % i))
                with open(paths[-1], "w") as f:
                    json.dump(doc, f)
            svg, table = os.path.join(folder, "out.svg"), os.path.join(folder, "out.md")
            errors = io.StringIO()
            with contextlib.redirect_stderr(errors):
                code = chart.main(paths + ["--svg", svg, "--markdown", table])
            if code:
                return errors.getvalue()
            with open(svg, encoding="utf-8") as f, open(table, encoding="utf-8") as g:
                return xml.fromstring(f.read()), g.read()

    def test_every_mode_has_a_chart_that_is_xml_and_a_table(self):
        for mode, results in EVERY.items():
            with self.subTest(mode):
                picture, table = self.run_it(result(mode, results))
                self.assertTrue(picture.tag.endswith("svg"))
                rows = [r for r in table.split("\n") if r.startswith("|")]
                self.assertEqual(len({r.count("|") for r in rows}), 1)
                points = sum(len(r.get("points", [1])) for r in results)
                self.assertEqual(len(rows), 2 + points)

    def test_everything_drawn_lies_in_the_picture(self):
        for mode, results in EVERY.items():
            picture, _ = self.run_it(result(mode, results))
            for e in picture.iter():
                for key in ("x", "x1", "x2", "cx", "y", "y1", "y2", "cy", "width", "height"):
                    if e.get(key):
                        limit = chart.WIDTH if key[-1] in "xh" and key != "height" or "x" in key else chart.HEIGHT
                        self.assertTrue(0 <= float(e.get(key)) <= limit, "%s %s of %s" % (mode, key, e.attrib))

    def test_a_table_tells_the_rate_and_what_limited_it(self):
        _, table = self.run_it(result("ndr", NDR))
        self.assertIn("| 64 | 12.346 | 8.30 | 33.4 | device | yes |", table)
        self.assertIn("| IMIX | 2.000 | 8.30 | 100.0 | device | no |", table)
        self.assertIn("trex v3.08 · 25 Gbit/s · trials of 60 s", table)

    def test_a_flood_tells_how_others_fared(self):
        _, table = self.run_it(result("synflood", EVERY["synflood"]))
        self.assertIn("| 64 | 1.000 | 1.000 | 0.0000 | 0.9901 | 20.0 |", table)
        self.assertIn("| 64 | 10.000 | 6.000 | 40.0000 | – | – |", table)

    def test_several_results_come_into_one_chart(self):
        picture, table = self.run_it(result("ndr", NDR, "nat"), result("ndr", NDR[:1], "dr"))
        text = [e.text for e in picture.iter() if e.tag.endswith("text")]
        self.assertIn("nat", text)
        self.assertIn("dr", text)
        self.assertEqual(table.count("**"), 4)

    def test_latency_without_percentiles_is_drawn_from_least_to_greatest(self):
        us = {"samples": 3, "min": 1, "max": 9}
        picture, table = self.run_it(result("latency", [{"size": 64, "line_pps": 1, "points": [point(10, us=us)]}]))
        self.assertIn("64 bytes, greatest", [e.text for e in picture.iter() if e.tag.endswith("text")])
        self.assertIn("| 1.0 | – | – | – | – | 9.0 |", table)

    def test_a_device_that_passes_nothing_has_a_chart(self):
        none = [dict(NDR[0], pps=0, gbps=0)]
        self.run_it(result("ndr", none))[0]

    def test_different_modes_do_not_mix(self):
        self.assertIn("do not fit into one chart", self.run_it(result("ndr", NDR), result("loss", EVERY["loss"])))

    def test_what_is_no_result_is_said(self):
        self.assertIn("is not a result", self.run_it({"format": "other"}))
        self.assertIn("has no results", self.run_it(result("ndr", [])))
        self.assertIn("nothing to draw", self.run_it(result("loss", [{"size": 64, "line_pps": 1, "points": []}])))

    def test_ticks_are_round_and_few(self):
        for top in (0.003, 0.9, 1, 7, 8.1, 14.88, 99, 148.8, 21000):
            t = chart.ticks(top)
            self.assertGreaterEqual(t[-1] * 1.0000001, top)
            self.assertTrue(2 <= len(t) <= 10, t)


if __name__ == "__main__":
    unittest.main()
