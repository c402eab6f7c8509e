#include "textflag.h"

// func Lines(p *[Max]unsafe.Pointer, n int)
TEXT ·Lines(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
	B    check

loop:
	MOVD.P 8(R0), R2
	PRFM   (R2), PLDL1KEEP
	SUB    $1, R1

check:
	CMP $0, R1
	BGT loop
	RET

// func Pause(n int)
TEXT ·Pause(SB), NOSPLIT, $0-8
	MOVD n+0(FP), R1
	B    enough

again:
	YIELD
	SUB $1, R1

enough:
	CMP $0, R1
	BGT again
	RET
