#include "textflag.h"

// func place(buckets unsafe.Pointer, h Home, s Slot) bool
TEXT ·place(SB), NOSPLIT, $0-17
	MOVQ buckets+0(FP), DX
	MOVL h+8(FP), BX
	MOVL s+12(FP), R9

	// A bit of CX for each of the 12 tags that is 0.
	MOVL     BX, AX
	SHRL     $8, AX
	SHLQ     $6, AX
	ADDQ     DX, AX
	PXOR     X0, X0
	PCMPEQB  (AX), X0
	PMOVMSKB X0, CX
	ANDL     $0xfff, CX
	BSFL     CX, CX
	JEQ      full
	MOVB     BX, (AX)(CX*1)
	MOVL     R9, 16(AX)(CX*4)
	MOVB     $1, ret+16(FP)
	RET

full:
	MOVB $0, ret+16(FP)
	RET

// func displace(buckets unsafe.Pointer, h Home, s Slot) bool
TEXT ·displace(SB), NOSPLIT, $0-17
	MOVQ buckets+0(FP), DX
	MOVL h+8(FP), AX
	MOVL s+12(FP), R9

	// A bit of CX for each of the 12 tags that are equal.
	MOVBLZX  AL, BX
	IMUL3L   $0x01010101, BX, BX
	MOVD     BX, X0
	PSHUFD   $0, X0, X0
	SHRL     $8, AX
	SHLQ     $6, AX
	ADDQ     DX, AX
	PCMPEQB  (AX), X0
	PMOVMSKB X0, CX
	ANDL     $0xfff, CX

next:
	BSFL CX, BX
	JEQ  missing
	CMPL R9, 16(AX)(BX*4)
	JEQ  found
	LEAL -1(CX), DX
	ANDL DX, CX
	JMP  next

found:
	MOVB $0, (AX)(BX*1)
	MOVL $0, 16(AX)(BX*4)
	MOVB $1, ret+16(FP)
	RET

missing:
	MOVB $0, ret+16(FP)
	RET

// func sift(p *Probe, n int, stride uintptr, buckets unsafe.Pointer)
TEXT ·sift(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), R10
	MOVQ stride+16(FP), R12
	MOVQ buckets+24(FP), DX
	JMP  check

loop:
	// The tag in all bytes of X0, the bucket's line in AX.
	MOVL    (SI), AX
	MOVBLZX AL, BX
	IMUL3L  $0x01010101, BX, BX
	MOVD    BX, X0
	PSHUFD  $0, X0, X0
	SHRL    $8, AX
	SHLQ    $6, AX
	ADDQ    DX, AX

	// A bit for each of the 12 tags that are equal, and those of overflow.
	PCMPEQB  (AX), X0
	PMOVMSKB X0, BX
	ANDL     $0xfff, BX
	MOVBLZX  12(AX), CX
	ORL      CX, BX
	MOVL     BX, 4(SI)
	ADDQ     R12, SI
	DECQ     R10

check:
	TESTQ R10, R10
	JG    loop
	RET
