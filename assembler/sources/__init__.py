"""Reading root filesystems: a directory, a tarball or an image comes in, a `Tree` goes out."""
