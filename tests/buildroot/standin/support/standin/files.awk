# Of the lines `facts root path` of what is there now, those that were not there before become `package,./path` in the list
# of their root.
BEGIN {
	printf "" > (to ".txt")
	printf "" > (to "-host.txt")
	printf "" > (to "-staging.txt")
	printf "" > (to "-images.txt")
}
FILENAME != "-" { before[$0]; next }
!($0 in before) {
	root = $2
	path = substr($0, length($1) + length(root) + 3)
	if (root == target) list = to ".txt"
	else if (root == images) list = to "-images.txt"
	else if (index(path, staging) == 1) { list = to "-staging.txt"; path = substr(path, length(staging) + 1) }
	else list = to "-host.txt"
	print package ",./" path > list
}
