GCC_VERSION = $(call qstrip,$(BR2_GCC_VERSION))
GCC_SITE = $(BR2_GNU_MIRROR:/=)/gcc/gcc-$(GCC_VERSION)
GCC_SOURCE = gcc-$(GCC_VERSION).tar.xz
HOST_GCC_LICENSE = GPL-2.0, GPL-3.0, LGPL-2.1, LGPL-3.0
HOST_GCC_LICENSE_FILES = COPYING COPYING3 COPYING.LIB COPYING3.LIB
HOST_GCC_COMMON_DEPENDENCIES = host-binutils host-gmp host-mpc host-mpfr

include $(sort $(wildcard package/gcc/*/*.mk))
