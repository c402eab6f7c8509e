#include "textflag.h"

// func Lines(p unsafe.Pointer, n int, stride uintptr)
TEXT ·Lines(SB), NOSPLIT, $0-24
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
	MOVD stride+16(FP), R3
	B    check

loop:
	MOVD (R0), R2
	ADD  R3, R0
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
