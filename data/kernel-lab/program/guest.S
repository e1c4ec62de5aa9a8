/* SPDX-License-Identifier: GPL-2.0 */
/* The guest's code: copied into the guest's memory, never run by the program itself. */
	.section .rodata

/* Real mode, one access at a time: read [0], tell; write [8], tell; stop. */
	.code16
	.globl guest_step, guest_step_end
guest_step:
	.byte 0xa0, 0x00, 0x00			/* mov al,[0] */
	.byte 0xe6, 0x10			/* out 0x10,al */
	.byte 0xc6, 0x06, 0x08, 0x00, 0x5a	/* mov byte [8],0x5a */
	.byte 0xe6, 0x11			/* out 0x11,al */
	hlt
guest_step_end:

/* Flat 32 bit: edi the address, ecx the number of pages, esi the distance. Each ends with out 0x12. */
	.code32
	.globl guest_none, guest_rw, guest_w, guest_r, guest_r_then_w, guest_count, guest_flat_end
guest_none:
	outb %al, $0x12
	hlt

guest_rw:	/* page by page: read, then write */
	movl (%edi), %eax
	movl $0x5a5a5a5a, 8(%edi)
	addl %esi, %edi
	decl %ecx
	jnz guest_rw
	outb %al, $0x12
	hlt

guest_w:	/* write only */
	movl $0x5a5a5a5a, 8(%edi)
	addl %esi, %edi
	decl %ecx
	jnz guest_w
	outb %al, $0x12
	hlt

guest_r:	/* read only */
	movl (%edi), %eax
	addl %esi, %edi
	decl %ecx
	jnz guest_r
	outb %al, $0x12
	hlt

guest_r_then_w:	/* read all, then write all */
	movl %edi, %ebx
	movl %ecx, %edx
1:	movl (%edi), %eax
	addl %esi, %edi
	decl %ecx
	jnz 1b
	movl %ebx, %edi
	movl %edx, %ecx
	jmp guest_w

guest_count:	/* count in the first word of one page, ecx times */
	incl (%edi)
	decl %ecx
	jnz guest_count
	outb %al, $0x12
	hlt
guest_flat_end:

	.section .note.GNU-stack, "", @progbits
