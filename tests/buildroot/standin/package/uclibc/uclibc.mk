UCLIBC_VERSION = 1.0.57
UCLIBC_SOURCE = uClibc-ng-$(UCLIBC_VERSION).tar.xz
UCLIBC_SITE = https://downloads.uclibc-ng.org/releases/$(UCLIBC_VERSION)
UCLIBC_LICENSE = LGPL-2.1+
UCLIBC_LICENSE_FILES = COPYING.LIB
UCLIBC_INSTALL_STAGING = YES
UCLIBC_CPE_ID_VENDOR = uclibc-ng_project
UCLIBC_CPE_ID_PRODUCT = uclibc-ng
UCLIBC_ADD_TOOLCHAIN_DEPENDENCY = NO
UCLIBC_DEPENDENCIES = host-gcc-initial linux-headers

UCLIBC_LOADER = $(if $(BR2_ARCH_IS_64),ld64,ld)-uClibc
UCLIBC_FILES = 'f 755 lib/$(UCLIBC_LOADER)-$(UCLIBC_VERSION).so' 'f 755 lib/libuClibc-$(UCLIBC_VERSION).so' \
	'l lib/$(UCLIBC_LOADER).so.1 $(UCLIBC_LOADER)-$(UCLIBC_VERSION).so' \
	'l lib/$(UCLIBC_LOADER).so.0 $(UCLIBC_LOADER).so.1' \
	'l lib/libc.so.1 libuClibc-$(UCLIBC_VERSION).so' 'l lib/libc.so.0 libuClibc-$(UCLIBC_VERSION).so'
UCLIBC_INSTALL_TARGET_CMDS = $(STANDIN_INSTALL_TARGET) $(UCLIBC_FILES)
define UCLIBC_INSTALL_STAGING_CMDS
	$(STANDIN_INSTALL_STAGING) $(UCLIBC_FILES) 'f 644 usr/lib/libc.a' 'f 644 usr/include/stdio.h'
	@mkdir -p $(STAGING_DIR)/usr/include/bits && printf '#define %s 1\n' __ARCH_USE_MMU__ __UCLIBC_HAS_LFS__ \
		__UCLIBC_HAS_IPV6__ $(if $(BR2_ENABLE_LOCALE),__UCLIBC_HAS_XLOCALE__) $(if $(BR2_USE_WCHAR),__UCLIBC_HAS_WCHAR__) \
		$(if $(BR2_TOOLCHAIN_HAS_THREADS),__UCLIBC_HAS_THREADS__) \
		$(if $(BR2_TOOLCHAIN_HAS_THREADS_DEBUG),__PTHREADS_DEBUG_SUPPORT__) \
		$(if $(BR2_TOOLCHAIN_HAS_THREADS_NPTL),__UCLIBC_HAS_THREADS_NATIVE__) \
		> $(STAGING_DIR)/usr/include/bits/uClibc_config.h
endef

$(eval $(generic-package))
