// Package capture runs weir capture in the daemon: it makes taps for the workers, empties them, and writes what was in
// them as pcapng, each packet with its verdict as a comment.
//
//	request ─► Manager.Start ─► fastpath.Tap ─► workers
//	                               │ rings of copies
//	                               ▼
//	                         Capture.Run ─► pcapng ─► client
//
// Nothing waits for a client but the goroutine that writes to it.
package capture
