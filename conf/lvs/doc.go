// Package lvs reads what an LVS director is configured with, keepalived.conf or the output of ipvsadm-save, and writes
// the services down as Weir's YAML, with a report that tells line by line what became of everything else.
//
//	keepalived.conf ─► tree ─► ┐
//	                           ├─► Setup ──► YAML
//	ipvsadm-save ────► words ► ┘     └─────► report
//
// A Setup holds the services as LVS has them; what Weir cannot do like LVS is in the report, never left out silently.
package lvs
