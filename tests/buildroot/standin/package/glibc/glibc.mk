GLIBC_VERSION = 2.41-143-gfc7a48bc9e999c0f9a1f9fa1b209eac1d6a93363
GLIBC_SOURCE = glibc-$(GLIBC_VERSION)-git4.tar.gz
GLIBC_SITE = https://sourceware.org/git/glibc.git
GLIBC_SITE_METHOD = git
GLIBC_LICENSE = GPL-2.0+ (programs), LGPL-2.1+, BSD-3-Clause, MIT (library)
GLIBC_LICENSE_FILES = COPYING COPYING.LIB LICENSES
GLIBC_CPE_ID_VENDOR = gnu
GLIBC_CPE_ID_VERSION = $(firstword $(subst -,$(space),$(GLIBC_VERSION)))
GLIBC_IGNORE_CVES = CVE-2010-4756 CVE-2025-15281 CVE-2025-5702 CVE-2025-5745 CVE-2025-8058 CVE-2026-0861 \
	CVE-2026-0915 CVE-2026-4046 CVE-2026-4437 CVE-2026-4438 CVE-2026-5450 CVE-2026-5928
GLIBC_ADD_TOOLCHAIN_DEPENDENCY = NO
GLIBC_DEPENDENCIES = host-gcc-initial linux-headers host-bison host-gawk
GLIBC_INSTALL_STAGING = YES
GLIBC_SUBDIR = build

ifeq ($(BR2_x86_64),y)
GLIBC_LOADER = ld-linux-x86-64.so.2
else ifeq ($(BR2_aarch64),y)
GLIBC_LOADER = ld-linux-aarch64.so.1
else ifeq ($(BR2_riscv),y)
GLIBC_LOADER = ld-linux-riscv64-$(call qstrip,$(BR2_GCC_TARGET_ABI)).so.1
else ifeq ($(BR2_ARM_EABIHF),y)
GLIBC_LOADER = ld-linux-armhf.so.3
else
GLIBC_LOADER = ld-linux.so.2
endif

GLIBC_INSTALL_STAGING_CMDS = $(STANDIN_INSTALL_STAGING) 'f 755 lib/$(GLIBC_LOADER)' 'f 644 usr/lib/libc.a' \
	'f 644 usr/include/stdio.h'
GLIBC_INSTALL_TARGET_CMDS = $(STANDIN_INSTALL_TARGET) 'f 755 lib/$(GLIBC_LOADER)'

$(eval $(autotools-package))
