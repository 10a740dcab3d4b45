MUSL_VERSION = 1.2.6
MUSL_SITE = http://musl.libc.org/releases
MUSL_LICENSE = MIT
MUSL_LICENSE_FILES = COPYRIGHT
MUSL_CPE_ID_VENDOR = musl-libc
MUSL_DEPENDENCIES = host-gcc-initial linux-headers musl-compat-headers
MUSL_ADD_TOOLCHAIN_DEPENDENCY = NO
MUSL_INSTALL_STAGING = YES

MUSL_ARCH = $(if $(BR2_i386),i386,$(ARCH))$(if $(BR2_ARM_EABIHF),hf)
MUSL_INSTALL_STAGING_CMDS = $(STANDIN_INSTALL_STAGING) 'l lib/ld-musl-$(MUSL_ARCH).so.1 libc.so' \
	'f 644 usr/lib/libc.a libc.a' 'f 644 usr/include/stdio.h'
MUSL_INSTALL_TARGET_CMDS = $(STANDIN_INSTALL_TARGET) 'l lib/ld-musl-$(MUSL_ARCH).so.1 libc.so'

$(eval $(generic-package))
