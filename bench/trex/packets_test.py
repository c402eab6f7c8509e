"""The frames of the test traffic are right to the bit."""

import ipaddress
import math
import struct
import unittest

import packets

MAC = "02:00:00:00:00:01"
CLIENT = {4: "198.18.16.1", 6: "2001:2:0:10::1"}
VIP = {4: "198.18.0.10", 6: "2001:2::10"}


def make(size, family, protocol, flags=0):
    return packets.frame(size, MAC, CLIENT[family], VIP[family], 40000, 80, protocol, flags)


class FrameTest(unittest.TestCase):
    def every(self):
        for family in (4, 6):
            for protocol in ("udp", "tcp"):
                for size in packets.SIZES:
                    size = max(size, packets.smallest(family, protocol))
                    yield family, protocol, size, make(size, family, protocol, packets.ACK)

    def test_a_frame_and_its_fcs_have_the_size(self):
        for _, _, size, frame in self.every():
            self.assertEqual(len(frame) + 4, size)

    def test_ipv4_header_checksums_are_right(self):
        for family, _, _, frame in self.every():
            if family == 4:
                self.assertEqual(packets.checksum(frame[14:34]), 0)

    def test_udp_and_tcp_checksums_are_right(self):
        for family, protocol, _, frame in self.every():
            at = packets.l4_offset(family)
            addresses = frame[at - 8:at] if family == 4 else frame[at - 32:at]
            l4 = frame[at:]
            pseudo = addresses + struct.pack("!II", len(l4), packets.PROTOCOLS[protocol])
            self.assertEqual(packets.checksum(pseudo + l4), 0)

    def test_lengths_in_headers_are_those_of_the_frame(self):
        for family, protocol, _, frame in self.every():
            ip = frame[14:]
            total = struct.unpack("!H", ip[2:4])[0] if family == 4 else 40 + struct.unpack("!H", ip[4:6])[0]
            self.assertEqual(total, len(ip))
            if protocol == "udp":
                at = packets.l4_offset(family)
                self.assertEqual(struct.unpack("!H", frame[at + 4:at + 6])[0], len(frame) - at)

    def test_fields_are_where_they_belong(self):
        frame = make(128, 4, "udp")
        self.assertEqual(frame[:6].hex(), "020000000001")
        self.assertEqual(frame[12:14].hex(), "0800")
        self.assertEqual(ipaddress.ip_address(frame[26:30]), ipaddress.ip_address(CLIENT[4]))
        self.assertEqual(packets.source_offset(4), 26)
        self.assertEqual(struct.unpack("!HH", frame[34:38]), (40000, 80))
        frame = make(128, 6, "tcp")
        self.assertEqual(frame[12:14].hex(), "86dd")
        self.assertEqual(ipaddress.ip_address(frame[22:38]), ipaddress.ip_address(CLIENT[6]))
        self.assertEqual(frame[packets.source_offset(6):][:4], ipaddress.ip_address(CLIENT[6]).packed[12:])

    def test_a_syn_has_an_mss_and_fits_the_smallest_frame(self):
        frame = make(64, 4, "tcp", packets.SYN)
        self.assertEqual(len(frame), 60)
        self.assertEqual(frame[34 + 12] >> 4, 6)
        self.assertEqual(frame[34 + 13], packets.SYN)
        self.assertEqual(frame[54:58], struct.pack("!BBH", 2, 4, 1460))

    def test_a_frame_too_small_for_its_headers_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "too small for tcp over IPv6"):
            make(64, 6, "tcp")

    def test_the_smallest_frames(self):
        sizes = [packets.smallest(f, p, 0, latency) for latency in (False, True) for f in (4, 6) for p in ("udp", "tcp")]
        self.assertEqual(sizes, [64, 64, 66, 78, 64, 74, 82, 94])
        self.assertEqual(packets.smallest(6, "tcp", packets.SYN), 82)

    def test_addresses_of_two_versions_are_an_error(self):
        self.assertRaises(ValueError, packets.frame, 128, MAC, CLIENT[4], VIP[6], 1, 2)

    def test_a_mac_that_is_none_is_an_error(self):
        self.assertRaises(ValueError, packets.mac_bytes, "0000:03:00.0")


class LineRateTest(unittest.TestCase):
    def test_ten_gigabits_are_14_88_million_small_frames(self):
        self.assertAlmostEqual(packets.line_pps(10, 64), 14880952.4, 1)
        self.assertAlmostEqual(packets.line_pps(100, 1518), 8127438.2, 1)

    def test_imix_counts_with_its_mean(self):
        self.assertAlmostEqual(packets.mean_size("imix"), 361.83, 2)


class SpreadTest(unittest.TestCase):
    def test_addresses_and_ports_give_the_flows_asked_for_or_a_few_more(self):
        for flows in (1, 2, 3, 4, 100, 256, 1000, 65536, 1000000, 16000000):
            addresses, ports = packets.spread(flows)
            self.assertGreaterEqual(addresses * ports, flows)
            self.assertLessEqual(addresses * ports, flows * 1.1 + 3)
            self.assertLessEqual(ports, 64512)

    def test_all_pairs_come_up_before_one_comes_again(self):
        addresses, ports = packets.spread(1000)
        self.assertEqual(math.gcd(addresses, ports), 1)
        self.assertEqual(len({(i % addresses, i % ports) for i in range(addresses * ports)}), addresses * ports)

    def test_no_flow_is_an_error(self):
        self.assertRaises(ValueError, packets.spread, 0)


if __name__ == "__main__":
    unittest.main()
