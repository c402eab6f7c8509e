#!/usr/bin/env python3
"""Measures a Weir with TRex: the no-drop rate, the loss, the latency under load, or what a SYN flood does.

Runs wherever TRex's Python API is and reaches the TRex server; README.md has the way there. The result is a JSON file that
../chart/chart.py makes a chart and a table of.
"""

import argparse
import datetime
import ipaddress
import json
import sys

import generator
import measure
import packets
import search
import streams


def sizes(text):
    out = []
    for word in text.split(","):
        if word == "imix":
            out.append(word)
        elif word.isdigit() and 64 <= int(word) <= 1518:
            out.append(int(word))
        else:
            raise argparse.ArgumentTypeError("%r is neither imix nor a frame size from 64 to 1518 bytes" % word)
    return out


def shares(text):
    try:
        out = [float(word) / 100 for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError("%r is not a list of percentages such as 10,50,100" % text)
    if not all(0 < s <= 1 for s in out):
        raise argparse.ArgumentTypeError("the percentages in %r must be more than 0 and at most 100" % text)
    return out


def two_ports(text):
    words = text.split(",")
    if len(words) != 2 or not all(w.isdigit() for w in words) or words[0] == words[1]:
        raise argparse.ArgumentTypeError("%r is not two different ports of TRex such as 0,1" % text)
    return int(words[0]), int(words[1])


def address(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e))


def mac(text):
    try:
        packets.mac_bytes(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e))
    return text


def backend(text):
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise argparse.ArgumentTypeError("%r is not a backend and its port such as 198.19.0.11:80" % text)
    return address(host.strip("[]")), int(port)


def parser():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--mode", choices=("ndr", "loss", "latency", "synflood"), default="ndr", help="what to measure")
    p.add_argument("--out", required=True, metavar="FILE", help="where the result goes")
    p.add_argument("--label", default="", help="what charts call this result; a description of the traffic if empty")

    g = p.add_argument_group("the generator")
    g.add_argument("--server", default="127.0.0.1", help="the TRex server")
    g.add_argument("--ports", type=two_ports, default=(0, 1), metavar="TX,RX",
                   help="TRex's ports at Weir's port to the clients and at that to the backends")
    g.add_argument("--gbps", type=float, default=0, help="speed of the links; 0: what TRex says")
    g.add_argument("--checksums", choices=("hardware", "software"), default="hardware",
                   help="who computes the checksums of changing frames; software: for NICs that cannot")

    g = p.add_argument_group("the device under test")
    g.add_argument("--target", type=address, default="198.18.0.10", metavar="VIP", help="the virtual service's address")
    g.add_argument("--port", type=int, default=80, help="its port")
    g.add_argument("--mac", type=mac, help="MAC of Weir's port to the clients; without it ARP asks --gateway for it")
    g.add_argument("--gateway", type=address, default="198.18.0.1", help="Weir's address towards the clients")
    g.add_argument("--own", type=address, default="198.18.0.2", help="TRex's address towards Weir, for ARP")
    g.add_argument("--outer", type=int, choices=(0, 20, 40), default=0,
                   help="bytes of the outer header in mode tun, IPv4's or IPv6's; line rate is then that of the link behind")
    g.add_argument("--replies", type=backend, metavar="BACKEND:PORT",
                   help="traffic both ways, through a nat service that has only this backend")
    g.add_argument("--replies-mac", type=mac, help="MAC of Weir's port to the backends, for --replies")

    g = p.add_argument_group("the traffic")
    g.add_argument("--protocol", choices=("udp", "tcp"), default="udp", help="not for synflood, which is TCP")
    g.add_argument("--sizes", type=sizes, default="64,128,256,512,1024,1280,1518,imix",
                   help="frame sizes with FCS; imix is 7 of 64, 4 of 594 and 1 of 1518 bytes")
    g.add_argument("--flows", type=int, default=100000, help="flows, rounded up a little")
    g.add_argument("--clients", type=address, default=None, metavar="FIRST",
                   help="the first client's address; 198.18.16.1 or 2001:2:0:10::1 if not given")
    g.add_argument("--learn-pps", type=int, default=500000, help="how fast the flows are made known before each trial")

    g = p.add_argument_group("the search")
    g.add_argument("--loss-tolerance", type=float, default=0.0, help="share of frames that may be lost; RFC 2544: 0")
    g.add_argument("--duration", type=float, default=60.0, help="seconds of the trials that count; RFC 2544: at least 60")
    g.add_argument("--search-duration", type=float, default=10.0, help="seconds of the trials that lead there")
    g.add_argument("--resolution", type=float, default=0.5, help="percent of line rate to which the rate is found")
    g.add_argument("--retries", type=int, default=0, help="how often a trial with loss is repeated")
    g.add_argument("--max-load", type=float, default=100.0, help="percent of line rate to begin with")
    g.add_argument("--step", type=float, default=10.0, help="for loss: percent between loads")
    g.add_argument("--loads", type=shares, default="10,50,90,100",
                   help="for latency: percent of the no-drop rate; for synflood: percent of line rate")
    g.add_argument("--ndr", metavar="FILE", help="for latency: a result with the no-drop rates, instead of a search")
    g.add_argument("--stamped-pps", type=int, default=1000, help="packets a second that carry a time stamp")
    return p


def traffic(args, mac_of_weir):
    first = args.clients or ("198.18.16.1" if ":" not in args.target else "2001:2:0:10::1")
    count, port_count = packets.spread(args.flows)
    if int(ipaddress.ip_address(first)) % (1 << 32) + count >= 1 << 32:
        raise ValueError("%d clients from %s on are too many: choose a lower --clients" % (count, first))
    protocol = "tcp" if args.mode == "synflood" else args.protocol
    return streams.Traffic(mac_of_weir, args.target, args.port, protocol, first, count, port_count, args.checksums, args.outer)


def describe(args, flows):
    if args.label:
        return args.label
    family = 6 if ":" in args.target else 4
    if args.mode == "synflood":
        return "SYN flood, IPv%d" % family
    return "%s, IPv%d, %d flows%s" % (args.protocol.upper(), family, flows, ", both ways" if args.replies else "")


def known_rates(path):
    if not path:
        return {}
    with open(path) as f:
        doc = json.load(f)
    if doc.get("format") != "weir-nic/1" or doc.get("mode") != "ndr":
        raise ValueError("%s is not a result of --mode ndr" % path)
    return {r["size"]: r["percent"] for r in doc["results"]}


def measured(args, bench, plan, rates):
    if args.mode == "ndr":
        return measure.ndr(bench, args.sizes, plan)
    if args.mode == "loss":
        plan.seconds = args.duration
        return measure.frame_loss(bench, args.sizes, plan, args.step)
    if args.mode == "latency":
        return measure.latency(bench, args.sizes, plan, args.loads, args.duration, args.stamped_pps, rates)
    return measure.synflood(bench, args.sizes, args.loads, args.duration, args.stamped_pps)


def document(args, name, version, gbps, flows, results):
    keys = ("target", "port", "protocol", "loss_tolerance", "duration", "search_duration", "resolution", "retries",
            "learn_pps", "stamped_pps", "checksums", "outer")
    settings = {k: getattr(args, k) for k in keys}
    settings.update(flows=flows, replies=bool(args.replies))
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"format": "weir-nic/1", "generator": {"name": name, "version": version}, "mode": args.mode, "time": now,
            "label": describe(args, flows), "link_gbps": gbps, "settings": settings, "results": results}


def measure_with(api, args):
    plan = search.Plan(0, args.max_load, args.resolution, args.loss_tolerance, args.retries, args.search_duration, args.duration)
    rates = known_rates(args.ndr)  # that the file is none shows before the first trial, not after the last
    gen = generator.Generator(api, args.server, args.ports[0], args.ports[1])
    try:
        gbps = args.gbps or gen.gbps()
        if not gbps:
            raise ValueError("TRex does not know the speed of its links: give it with --gbps")
        weir = args.mac or gen.resolve(args.ports[0], args.own, args.gateway)
        reply = None
        if args.replies:
            reply = args.replies + (args.replies_mac,)
        flows = traffic(args, weir)
        bench = measure.Bench(api, gen, flows, gbps, args.learn_pps, reply)
        return document(args, "trex", gen.version(), gbps, streams.flow_count(flows), measured(args, bench, plan, rates))
    finally:
        gen.close()


def main(argv=None, load_api=generator.load_api):
    p = parser()
    args = p.parse_args(argv)
    if args.replies and not args.replies_mac:
        p.error("--replies needs --replies-mac, the MAC of Weir's port to the backends: weir show ports has it")
    if (":" in (args.clients or args.target)) != (":" in args.target):
        p.error("--clients and --target must be of one IP version")
    known = (ValueError, RuntimeError, ImportError, OSError)
    try:
        api = load_api()
        known += (api.STLError,)
        doc = measure_with(api, args)
    except known as e:
        print("run.py: %s" % e, file=sys.stderr)
        return 1
    with open(args.out, "w") as f:
        json.dump(doc, f, indent=1)
        f.write("\n")
    print("written: %s" % args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
