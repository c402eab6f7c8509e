#include "textflag.h"

// func scan(first *Entry, n int, now Tick, dead *Dead, found int) (walked, total int)
TEXT ·scan(SB), NOSPLIT, $0-56
	MOVQ first+0(FP), SI
	MOVQ n+8(FP), R10
	MOVL now+16(FP), DX
	MOVQ dead+24(FP), DI
	MOVQ found+32(FP), CX
	JMP  check

loop:
	PREFETCHT0 1024(SI)

	// BX is 1 if now is not before Expires and Proto is not 0. Entries lie outside the collector's heap: no write barrier.
	MOVL    DX, BX
	SUBL    48(SI), BX
	NOTL    BX
	SHRL    $31, BX
	MOVBLZX 36(SI), AX
	NEGL    AX
	SBBL    AX, AX
	ANDL    AX, BX
	MOVQ    SI, (DI)(CX*8)
	ADDQ    BX, CX
	ADDQ    $64, SI
	DECQ    R10

check:
	CMPQ  CX, $64
	JGE   done
	TESTQ R10, R10
	JG    loop

done:
	MOVQ SI, AX
	SUBQ first+0(FP), AX
	SHRQ $6, AX
	MOVQ AX, walked+40(FP)
	MOVQ CX, total+48(FP)
	RET

// func prefetchHomes(buckets unsafe.Pointer, a, b Home)
TEXT ·prefetchHomes(SB), NOSPLIT, $0-16
	MOVQ        buckets+0(FP), DX
	MOVL        a+8(FP), AX
	MOVL        b+12(FP), BX
	SHRL        $8, AX
	SHLQ        $6, AX
	SHRL        $8, BX
	SHLQ        $6, BX
	PREFETCHT0 (DX)(AX*1)
	PREFETCHT0 (DX)(BX*1)
	RET

// func prefetchHome(buckets unsafe.Pointer, h Home)
TEXT ·prefetchHome(SB), NOSPLIT, $0-12
	MOVL       h+8(FP), AX
	SHRL       $8, AX
	SHLQ       $6, AX
	ADDQ       buckets+0(FP), AX
	PREFETCHT0 (AX)
	RET
