#include "textflag.h"

// func prefetchIndex(p *Probe, n int, stride uintptr, buckets unsafe.Pointer)
TEXT ·prefetchIndex(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), R10
	MOVQ stride+16(FP), R12
	MOVQ buckets+24(FP), DX
	JMP  check

loop:
	MOVL        (SI), AX
	SHRL        $8, AX
	SHLQ        $6, AX
	PREFETCHT0 (DX)(AX*1)
	ADDQ        R12, SI
	DECQ        R10

check:
	TESTQ R10, R10
	JG    loop
	RET

// func probe(p *Probe, n int, stride uintptr, buckets, entries unsafe.Pointer) (found, replies uint64)
// The last probe is the first to be done: so every bit is shifted to where it belongs.
TEXT ·probe(SB), NOSPLIT, $0-56
	MOVQ  p+0(FP), SI
	MOVQ  n+8(FP), R10
	MOVQ  stride+16(FP), R12
	MOVQ  buckets+24(FP), DX
	MOVQ  entries+32(FP), R8
	XORL  R11, R11
	XORL  R13, R13
	XORL  R14, R14
	MOVQ  R10, AX
	IMULQ R12, AX
	ADDQ  AX, SI
	JMP   check

loop:
	// The tag in all bytes of X0, the bucket's line in AX.
	SUBQ    R12, SI
	MOVL    (SI), AX
	MOVBLZX AL, BX
	IMUL3L  $0x01010101, BX, BX
	MOVD    BX, X0
	PSHUFD  $0, X0, X0
	SHRL    $8, AX
	SHLQ    $6, AX

	// A bit of BX for each of the 12 tags that are equal; the lowest one's number in CX.
	PCMPEQB  (DX)(AX*1), X0
	PMOVMSKB X0, BX
	XORL     CX, CX
	ADDQ     DX, AX
	ANDL     $0xfff, BX
	BSFL     BX, CX

	// Its slot, or none. BSF leaves its target alone, and says so, when it finds no bit.
	MOVL    16(AX)(CX*4), R9
	CMOVLEQ R11, R9
	MOVL    R9, 4(SI)

	// Its bits, and its entry.
	MOVL       R9, CX
	NEGL       CX
	ADCQ       R13, R13
	SHRL       $1, R9
	ADCQ       R14, R14
	SHLQ       $6, R9
	PREFETCHT0 (R8)(R9*1)
	DECQ       R10

check:
	TESTQ R10, R10
	JG    loop
	MOVQ  R13, found+40(FP)
	MOVQ  R14, replies+48(FP)
	RET
