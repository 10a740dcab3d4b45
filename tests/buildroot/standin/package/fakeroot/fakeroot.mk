FAKEROOT_VERSION = 1.36
FAKEROOT_SOURCE = fakeroot_$(FAKEROOT_VERSION).orig.tar.gz
FAKEROOT_SITE = https://snapshot.debian.org/archive/debian/20241022T144244Z/pool/main/f/fakeroot
FAKEROOT_LICENSE = GPL-3.0+
FAKEROOT_LICENSE_FILES = COPYING
HOST_FAKEROOT_DEPENDENCIES = host-acl
HOST_FAKEROOT_AUTORECONF = YES

$(eval $(host-autotools-package))
