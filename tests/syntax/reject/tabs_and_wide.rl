let	a	=	"世界"	b
	let c = 世界
