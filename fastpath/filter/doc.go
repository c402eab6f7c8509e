// Package filter decides about frames by expressions in the language of tcpdump (pcap-filter(7)), without libpcap: the
// part of it that names addresses, ports, protocols and TCP flags. What it takes means here what it means there, but
// that IPv6 extension headers are followed.
//
//	ip, ip6, arp, tcp, udp, sctp, icmp, icmp6        [ip|ip6] proto NUMBER
//	[ip|ip6|arp|tcp|udp|sctp] [src|dst|src or dst|src and dst] host ADDRESS
//	… net PREFIX/BITS       … port NUMBER       … portrange FIRST-LAST
//	ether [src|dst] host MAC
//	less BYTES, greater BYTES
//	tcp[tcpflags] & MASK == VALUE, also != and without MASK; of tcp-syn, tcp-ack, … joined by | or in numbers
//	not, and, or, !, &&, ||, parentheses; "and" and "or" bind alike, from left to right
//
// What has the words of the one before need not repeat them: port 80 or 443. Names are not resolved.
package filter
