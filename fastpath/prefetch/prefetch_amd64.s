#include "textflag.h"

// func Lines(p unsafe.Pointer, n int, stride uintptr)
TEXT ·Lines(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ stride+16(FP), DX
	JMP  check

loop:
	MOVQ        (SI), AX
	PREFETCHT0 (AX)
	ADDQ        DX, SI
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
