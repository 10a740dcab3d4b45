BINUTILS_VERSION = $(or $(call qstrip,$(BR2_BINUTILS_VERSION)),2.43.1)
BINUTILS_SITE = $(BR2_GNU_MIRROR)/binutils
BINUTILS_SOURCE = binutils-$(BINUTILS_VERSION).tar.xz
BINUTILS_LICENSE = GPL-3.0+, libiberty LGPL-2.1+
BINUTILS_LICENSE_FILES = COPYING3 COPYING.LIB
BINUTILS_CPE_ID_VENDOR = gnu
BINUTILS_IGNORE_CVES = CVE-2025-3198

# This machine's own, where there are any.
define HOST_BINUTILS_INSTALL_CMDS
	@mkdir -p $(HOST_DIR)/bin; for tool in ar ld objcopy readelf strip; do \
		path=$$(command -v $$tool) && ln -sf $$path $(HOST_DIR)/bin/$(GNU_TARGET_NAME)-$$tool; done; true
endef

$(eval $(host-autotools-package))
