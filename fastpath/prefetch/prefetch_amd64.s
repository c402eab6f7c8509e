#include "textflag.h"

// func Lines(p *[Max]unsafe.Pointer, n int)
TEXT ·Lines(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	JMP  check

loop:
	MOVQ        (SI), AX
	PREFETCHT0 (AX)
	ADDQ        $8, SI
	DECQ        CX

check:
	TESTQ CX, CX
	JG    loop
	RET

// func Pause(n int)
TEXT ·Pause(SB), NOSPLIT, $0-8
	MOVQ n+0(FP), CX
	JMP  enough

again:
	PAUSE
	DECQ CX

enough:
	TESTQ CX, CX
	JG    again
	RET
