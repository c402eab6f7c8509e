"""What the streams of the profiles are made of. With TREX_API set to a folder with TRex's own API, that is asked, too."""

import base64
import ipaddress
import os
import sys
import unittest
from unittest import mock

import fake_trex
import packets
import streams

TARGETS = {4: ("198.18.0.10", "198.18.16.1"), 6: ("2001:2::10", "2001:2:0:10::1")}


def traffic(family=4, protocol="udp", flows=1000, checksums="hardware", outer=0):
    target, clients = TARGETS[family]
    addresses, ports = packets.spread(flows)
    return streams.Traffic("02:00:00:00:00:01", target, 80, protocol, clients, addresses, ports, checksums, outer)


def every():
    for family in (4, 6):
        for protocol in ("udp", "tcp"):
            for checksums in ("hardware", "software"):
                yield traffic(family, protocol, 1000, checksums)


def of(stream, kind):
    return [c for c in stream.packet.vm.commands if isinstance(c, kind)]


class StreamsTest(unittest.TestCase):
    def test_every_flow_is_a_client_and_a_port(self):
        for t in every():
            stream = streams.load(fake_trex, t, 128)[0]
            client, port = of(stream, fake_trex.STLVmFlowVar)
            addresses, ports = packets.spread(1000)
            self.assertEqual(client.max_value - client.min_value + 1, addresses)
            self.assertEqual(port.max_value - port.min_value + 1, ports)
            self.assertEqual((client.size, port.size, client.op, port.op), (4, 2, "inc", "inc"))

    def test_the_variables_are_written_where_the_first_flow_stands_in_the_frame(self):
        for t in every():
            stream = streams.load(fake_trex, t, 128)[0]
            frame = stream.packet.pkt_buffer
            for var, write in zip(of(stream, fake_trex.STLVmFlowVar), of(stream, fake_trex.STLVmWrFlowVar)):
                self.assertEqual(var.name, write.fv_name)
                there = int.from_bytes(frame[write.pkt_offset:write.pkt_offset + var.size], "big")
                self.assertEqual(there, var.min_value)

    def test_a_reply_goes_from_the_backend_to_the_same_flows(self):
        for t in every():
            backend = "198.19.0.11" if streams.family(t) == 4 else "2001:2:0:1::11"
            stream = streams.replies(fake_trex, t, 128, backend, 8080)[0]
            frame, at = stream.packet.pkt_buffer, packets.source_offset(streams.family(t))
            self.assertEqual(frame[at:at + 4], ipaddress.ip_address(backend).packed[-4:])
            for var, write in zip(of(stream, fake_trex.STLVmFlowVar), of(stream, fake_trex.STLVmWrFlowVar)):
                there = int.from_bytes(frame[write.pkt_offset:write.pkt_offset + var.size], "big")
                self.assertEqual(there, var.min_value)

    def test_checksums_are_left_to_the_hardware_at_the_right_offsets(self):
        stream = streams.load(fake_trex, traffic(6, "tcp"), 128)[0]
        fix, = of(stream, fake_trex.STLVmFixChecksumHw)
        self.assertEqual((fix.l3_offset, fix.l4_offset, fix.l4_type), (14, 54, fake_trex.CTRexVmInsFixHwCs.L4_TYPE_TCP))

    def test_without_hardware_udp_over_ipv4_has_no_checksum_and_ip_has(self):
        stream = streams.load(fake_trex, traffic(checksums="software"), 128)[0]
        self.assertEqual(stream.packet.pkt_buffer[40:42], b"\0\0")
        self.assertEqual([f.offset for f in of(stream, fake_trex.STLVmFixIpv4)], [14])
        self.assertEqual(of(stream, fake_trex.STLVmFixChecksumHw), [])

    def test_one_flow_needs_no_program(self):
        self.assertEqual(streams.load(fake_trex, traffic(flows=1), 64)[0].packet.vm.commands, [])

    def test_imix_is_three_sizes_at_seven_to_four_to_one(self):
        out = streams.load(fake_trex, traffic(), "imix")
        self.assertEqual([(len(s.packet.pkt_buffer) + 4, s.mode.pps) for s in out], [(64, 7), (594, 4), (1518, 1)])

    def test_frames_leave_room_for_an_outer_header(self):
        out = streams.load(fake_trex, traffic(outer=20), "imix")
        self.assertEqual([len(s.packet.pkt_buffer) + 4 for s in out], [64, 594, 1498])

    def test_tcp_flows_are_learnt_with_a_syn_and_loaded_with_ack(self):
        t = traffic(protocol="tcp")
        learn, = streams.learn(fake_trex, t, 1000)
        load, = streams.load(fake_trex, t, 64)
        self.assertEqual((learn.packet.pkt_buffer[47], load.packet.pkt_buffer[47]), (packets.SYN, packets.ACK))
        self.assertGreaterEqual(learn.mode.total_pkts, streams.flow_count(t))

    def test_a_flood_is_of_syns_from_anywhere(self):
        for family in (4, 6):
            stream, = streams.synflood(fake_trex, traffic(family, "tcp"), 64)
            client, port = of(stream, fake_trex.STLVmFlowVar)
            self.assertEqual((client.op, port.op), ("random", "random"))
            self.assertGreater(client.max_value - client.min_value, 500000000)
            self.assertEqual(stream.packet.pkt_buffer[packets.l4_offset(family) + 13], packets.SYN)
            self.assertEqual(len(of(stream, fake_trex.STLVmFixChecksumHw)), 1)

    def test_a_flood_does_not_come_from_loopback_multicast_or_the_lab(self):
        first, last = (ipaddress.ip_address(a) for a in (streams.FLOOD_FROM, streams.FLOOD_TO))
        for net in ("127.0.0.0/8", "224.0.0.0/3", "198.18.0.0/15", "0.0.0.0/8"):
            net = ipaddress.ip_network(net)
            self.assertTrue(last < net[0] or first > net[-1])

    def test_latency_streams_have_room_for_the_stamp(self):
        for t in every():
            stream, = streams.latency(fake_trex, t, 64, 1000)
            payload = len(stream.packet.pkt_buffer) - packets.headers_size(streams.family(t), t.protocol)
            self.assertGreaterEqual(payload, packets.LATENCY_TRAILER)
            self.assertEqual((stream.flow_stats.pg_id, stream.mode.pps), (streams.LATENCY_PG, 1000))

    def test_frames_go_to_weir_from_the_ports_own_mac(self):
        stream = streams.load(fake_trex, traffic(), 64)[0]
        self.assertEqual(stream.packet.pkt_buffer[:6], packets.mac_bytes("02:00:00:00:00:01"))
        self.assertEqual(stream.mac_dst_override_mode, fake_trex.STLStreamDstMAC_PKT)
        self.assertFalse(stream.mac_src_override_by_pkt)


class RealApiTest(unittest.TestCase):
    def test_trex_takes_every_stream_and_sends_the_frames_as_they_are(self):
        sys.path.insert(0, os.environ["TREX_API"])
        import trex.stl.api as api
        profile = os.path.join(os.path.dirname(os.path.abspath(__file__)), "profiles", "weir.py")
        tunables = ["--mac", "02:00:00:00:00:01", "--size", "imix"]
        self.assertEqual(len(api.STLProfile.load_py(profile, tunables=tunables).get_streams()), 3)
        for t in every():
            for fake, real in zip(self.all_of(fake_trex, t), self.all_of(api, t)):
                doc = real.to_json()
                self.assertEqual(base64.b64decode(doc["packet"]["binary"]), fake.packet.pkt_buffer)
                self.assertEqual(len(doc["vm"]["instructions"]), len(fake.packet.vm.commands))
                self.assertTrue(real.is_explicit_dst_mac())

    def all_of(self, api, t):
        backend = "198.19.0.11" if streams.family(t) == 4 else "2001:2:0:1::11"
        out = streams.learn(api, t, 1000) + streams.latency(api, t, 64, 1000) + streams.synflood(api, t, 64)
        for size in packets.SIZES + ("imix",):
            size = size if size == "imix" else max(size, packets.smallest(streams.family(t), t.protocol))
            out += streams.load(api, t, size) + streams.replies(api, t, size, backend, 8080)
        return out


class ConsoleProfileTest(unittest.TestCase):
    def streams(self, *tunables):
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "profiles"))
        try:
            import weir
        finally:
            del sys.path[0]
        with mock.patch("generator.load_api", lambda: fake_trex):
            return weir.register().get_streams(direction=0, port_id=0, tunables=["--mac", "02:00:00:00:00:01"] + list(tunables))

    def test_it_has_the_streams_of_the_runner(self):
        self.assertEqual(len(self.streams("--size", "imix")), 3)
        self.assertIsInstance(self.streams("--kind", "learn")[0].mode, fake_trex.STLTXSingleBurst)
        self.assertEqual(self.streams("--kind", "latency", "--pps", "500")[0].mode.pps, 500)
        flood, = self.streams("--kind", "synflood", "--target", "2001:2::10")
        self.assertEqual(len(flood.packet.pkt_buffer) + 4, 82)


def load_tests(loader, tests, pattern):
    """Without TRex's API its test is left out, not skipped: nothing that should have been tested was not."""
    kinds = [StreamsTest, ConsoleProfileTest] + ([RealApiTest] if os.environ.get("TREX_API") else [])
    return unittest.TestSuite(loader.loadTestsFromTestCase(k) for k in kinds)


if __name__ == "__main__":
    unittest.main()
