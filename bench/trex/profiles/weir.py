"""The test traffic for TRex's console: start -f profiles/weir.py -m 5mpps -p 0 -t --kind load --mac 02:00:00:00:00:01

kind: load (run learn before it), learn, latency or synflood.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

import generator
import packets
import run
import streams


class Weir:
    """What run.py sends, with the same options."""

    def get_streams(self, tunables=(), **_):
        api = generator.load_api()
        p = argparse.ArgumentParser(prog="weir.py")
        p.add_argument("--kind", choices=("load", "learn", "latency", "synflood"), default="load")
        p.add_argument("--size", type=run.sizes, default="64")
        p.add_argument("--mac", type=run.mac, required=True, help="MAC of Weir's port to the clients")
        p.add_argument("--target", type=run.address, default="198.18.0.10")
        p.add_argument("--port", type=int, default=80)
        p.add_argument("--protocol", choices=("udp", "tcp"), default="udp")
        p.add_argument("--flows", type=int, default=100000)
        p.add_argument("--clients", type=run.address)
        p.add_argument("--checksums", choices=("hardware", "software"), default="hardware")
        p.add_argument("--outer", type=int, choices=(0, 20, 40), default=0)
        p.add_argument("--pps", type=int, default=1000, help="of learn and latency, which -m does not change")
        args = p.parse_args(tunables)
        args.mode = args.kind
        traffic = run.traffic(args, args.mac)
        size = args.size[0]
        if size != "imix":
            size = max(size, packets.smallest(streams.family(traffic), traffic.protocol))
        if args.kind == "learn":
            return streams.learn(api, traffic, args.pps)
        if args.kind == "latency":
            return streams.latency(api, traffic, size, args.pps)
        return streams.synflood(api, traffic, size) if args.kind == "synflood" else streams.load(api, traffic, size)


def register():
    """What TRex calls."""
    return Weir()
