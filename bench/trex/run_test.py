"""The runner from its command line to the result, with a TRex and a device that are made up."""

import contextlib
import io
import json
import os
import tempfile
import unittest

import fake_trex
import generator
import run


class Api:
    """fake_trex with a client that behaves as given."""

    def __init__(self, **behaviour):
        self.behaviour, self.clients = behaviour, []

    def __getattr__(self, name):
        return getattr(fake_trex, name)

    def STLClient(self, server):  # noqa: N802, TRex's name
        client = fake_trex.FakeClient(server, **self.behaviour)
        self.clients.append(client)
        return client


class RunTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.out = os.path.join(self.dir.name, "result.json")

    def run_it(self, *args, api=None):
        self.api = api or Api()
        real, generator.Generator.__init__.__defaults__ = generator.Generator.__init__.__defaults__, (0, lambda s: None)
        text = io.StringIO()
        try:
            with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
                code = run.main(["--out", self.out] + list(args), lambda: self.api)
        finally:
            generator.Generator.__init__.__defaults__ = real
        self.text = text.getvalue()
        if code == 0:
            with open(self.out) as f:
                self.doc = json.load(f)
        return code

    def test_the_no_drop_rate_of_every_size_is_found(self):
        self.assertEqual(self.run_it("--sizes", "64,512,imix"), 0)
        small, middle, imix = self.doc["results"]
        self.assertEqual((self.doc["format"], self.doc["mode"], self.doc["link_gbps"]), ("weir-nic/1", "ndr", 10))
        self.assertEqual((small["size"], small["limited_by"], small["confirmed"]), (64, "device", True))
        self.assertLessEqual(small["pps"], 10e6)
        self.assertGreater(small["pps"], 9.9e6)
        self.assertEqual((middle["percent"], middle["limited_by"]), (100, "line"))
        self.assertAlmostEqual(middle["gbps"], 10, 3)
        self.assertEqual(imix["size"], "imix")
        self.assertEqual(small["trials"][-1]["seconds"], 60)

    def test_flows_are_learnt_before_every_trial_and_frames_given_time_to_arrive(self):
        self.run_it("--sizes", "1518", "--flows", "1000")
        starts = [c for c in self.api.clients[0].calls if c[0] == "start"]
        self.assertEqual([c[2] for c in starts], ["1", "812743pps"] * 2)
        self.assertEqual([c[3] for c in starts], [-1, 10, -1, 60])

    def test_a_port_takes_frames_to_any_mac(self):
        self.run_it("--sizes", "1518")
        self.assertIn(("set_port_attr", {"ports": [0, 1], "promiscuous": True}), self.api.clients[0].calls)

    def test_traffic_both_ways_counts_both_ports(self):
        self.assertEqual(self.run_it("--sizes", "1518", "--replies", "198.19.0.11:80", "--replies-mac",
                                     "02:00:00:00:00:02", "--label", "nat"), 0)
        result = self.doc["results"][0]
        self.assertAlmostEqual(result["pps"], 2 * 812743, -1)
        self.assertEqual((result["limited_by"], self.doc["label"]), ("line", "nat"))

    def test_line_rate_in_a_tunnel_is_that_of_the_link_behind(self):
        self.run_it("--sizes", "128,1518", "--outer", "20")
        small, large = self.doc["results"]
        self.assertAlmostEqual(small["line_pps"], 10e9 / 8 / 168, 0)
        self.assertEqual((large["size"], large["limited_by"]), (1498, "line"))
        self.assertAlmostEqual(large["gbps"], 10, 3)

    def test_a_slow_generator_is_named(self):
        self.run_it("--sizes", "64", api=Api(capacity=20e6, generator=8e6))
        self.assertEqual(self.doc["results"][0]["limited_by"], "generator")

    def test_a_device_that_passes_nothing_has_rate_zero(self):
        self.run_it("--sizes", "64", api=Api(capacity=0))
        self.assertEqual((self.doc["results"][0]["pps"], self.doc["results"][0]["percent"]), (0, 0))

    def test_latency_is_measured_at_shares_of_the_no_drop_rate(self):
        self.assertEqual(self.run_it("--mode", "latency", "--sizes", "64", "--loads", "50,100", "--duration", "10"), 0)
        result = self.doc["results"][0]
        self.assertEqual([p["share"] for p in result["points"]], [0.5, 1])
        self.assertAlmostEqual(result["points"][0]["percent"], result["base_percent"] / 2)
        us = result["points"][0]["us"]
        self.assertEqual((us["min"], us["p50"], us["p999"], us["max"], us["lost"]), (4, 10, 28, 28, 0))

    def test_latency_takes_the_rates_of_an_earlier_result(self):
        self.run_it("--sizes", "64")
        known = self.out + ".ndr"
        os.rename(self.out, known)
        self.run_it("--mode", "latency", "--sizes", "64", "--loads", "100", "--duration", "10", "--ndr", known)
        self.assertEqual(sum(c[0] == "start" for c in self.api.clients[0].calls), 2)

    def test_loss_goes_down_from_line_rate(self):
        self.run_it("--mode", "loss", "--sizes", "64", "--duration", "5")
        self.assertEqual([p["percent"] for p in self.doc["results"][0]["points"]], [100, 90, 80, 70, 60, 50])
        self.assertGreater(self.doc["results"][0]["points"][0]["loss"], 0.3)

    def test_a_flood_reports_what_was_forwarded_and_how_the_others_fared(self):
        self.assertEqual(self.run_it("--mode", "synflood", "--sizes", "64", "--loads", "50,100", "--duration", "10"), 0)
        first, second = self.doc["results"][0]["points"]
        self.assertEqual((first["loss"], first["bystanders"]["lost"]), (0, 0))
        self.assertAlmostEqual(second["forwarded_pps"], 10e6)
        self.assertGreater(second["bystanders"]["lost"], 0)

    def test_ipv6_has_larger_smallest_frames(self):
        self.run_it("--target", "2001:2::10", "--protocol", "tcp", "--sizes", "64")
        self.assertEqual(self.doc["results"][0]["size"], 78)

    def test_the_mac_is_asked_for_with_arp(self):
        self.run_it("--sizes", "1518")
        self.assertEqual(self.api.clients[0].streams[0][0].packet.pkt_buffer[:6].hex(), "020000000001")

    def test_that_nobody_answers_arp_is_said(self):
        self.assertEqual(self.run_it(api=Api(arp="unresolved")), 1)
        self.assertIn("nobody answers ARP for 198.18.0.1", self.text)
        self.assertFalse(os.path.exists(self.out))
        self.assertEqual(self.api.clients[0].calls[-1][0], "disconnect")

    def test_an_unknown_speed_has_to_be_given(self):
        self.assertEqual(self.run_it("--sizes", "1518", api=Api(speed=0)), 1)
        self.assertIn("--gbps", self.text)
        self.assertEqual(self.run_it("--sizes", "1518", "--gbps", "1", api=Api(speed=0)), 0)

    def test_a_missing_api_is_said(self):
        def missing():
            raise ImportError("TRex's Python API is not there")
        text = io.StringIO()
        with contextlib.redirect_stderr(text):
            self.assertEqual(run.main(["--out", self.out], missing), 1)
        self.assertIn("not there", text.getvalue())

    def test_what_cannot_be_is_refused(self):
        for wrong in (["--sizes", "63"], ["--sizes", "big"], ["--ports", "1,1"], ["--loads", "0"], ["--target", "weir"],
                      ["--mac", "x"], ["--replies", "198.19.0.11:80"], ["--clients", "2001:2::1"], ["--replies", "x"]):
            with self.subTest(wrong), self.assertRaises(SystemExit):
                self.run_it(*wrong)


class HistogramTest(unittest.TestCase):
    def test_a_bucket_ends_where_the_next_begins(self):
        self.assertEqual([generator.bucket_end(s) for s in (0, 10, 90, 100, 900, 2000)], [10, 20, 100, 200, 1000, 3000])

    def test_percentiles_are_the_upper_ends(self):
        self.assertEqual([generator.percentile({0: 98, 10: 1, 500: 1}, s) for s in (0.5, 0.99, 0.999)], [10, 20, 600])

    def test_no_sample_is_no_latency(self):
        self.assertIsNone(generator.latency_of({"latency": {}}, 1, 100))


if __name__ == "__main__":
    unittest.main()
