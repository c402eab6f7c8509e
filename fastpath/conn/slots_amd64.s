#include "textflag.h"

// func placeBoth(buckets unsafe.Pointer, at, back Home, s Slot) (done uint8)
TEXT ·placeBoth(SB), NOSPLIT, $0-25
	MOVQ buckets+0(FP), DX
	MOVL at+8(FP), BX
	MOVL back+12(FP), R11
	MOVL s+16(FP), R9
	XORL R10, R10
	PXOR X1, X1

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
	JEQ      reply
	MOVB     BX, (AX)(CX*1)
	MOVL     R9, 16(AX)(CX*4)
	INCL     R10

reply:
	TESTL    R11, R11
	JEQ      done
	MOVL     R11, AX
	SHRL     $8, AX
	SHLQ     $6, AX
	ADDQ     DX, AX
	PCMPEQB  (AX), X1
	PMOVMSKB X1, CX
	ANDL     $0xfff, CX
	BSFL     CX, CX
	JEQ      full
	INCL     R9
	MOVB     R11, (AX)(CX*1)
	MOVL     R9, 16(AX)(CX*4)

done:
	ORL $2, R10

full:
	MOVB R10, done+24(FP)
	RET

// func displaceBoth(buckets unsafe.Pointer, at, back Home, s Slot) (done uint8)
TEXT ·displaceBoth(SB), NOSPLIT, $0-25
	MOVQ buckets+0(FP), DX
	MOVL at+8(FP), AX
	MOVL back+12(FP), R11
	MOVL s+16(FP), R9
	XORL R10, R10

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

forward:
	BSFL CX, BX
	JEQ  reply
	LEAL -1(CX), R8
	ANDL R8, CX
	CMPL R9, 16(AX)(BX*4)
	JNE  forward
	MOVB $0, (AX)(BX*1)
	MOVL $0, 16(AX)(BX*4)
	INCL R10

reply:
	TESTL    R11, R11
	JEQ      done
	INCL     R9
	MOVBLZX  R11, BX
	IMUL3L   $0x01010101, BX, BX
	MOVD     BX, X0
	PSHUFD   $0, X0, X0
	MOVL     R11, AX
	SHRL     $8, AX
	SHLQ     $6, AX
	ADDQ     DX, AX
	PCMPEQB  (AX), X0
	PMOVMSKB X0, CX
	ANDL     $0xfff, CX

backward:
	BSFL CX, BX
	JEQ  missing
	LEAL -1(CX), R8
	ANDL R8, CX
	CMPL R9, 16(AX)(BX*4)
	JNE  backward
	MOVB $0, (AX)(BX*1)
	MOVL $0, 16(AX)(BX*4)

done:
	ORL $2, R10

missing:
	MOVB R10, done+24(FP)
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
