AUTOCONF_VERSION = 2.72
AUTOCONF_SOURCE = autoconf-$(AUTOCONF_VERSION).tar.xz
AUTOCONF_SITE = $(BR2_GNU_MIRROR)/autoconf
AUTOCONF_LICENSE = GPL-3.0+ with exceptions
AUTOCONF_LICENSE_FILES = COPYINGv3 COPYING.EXCEPTION
HOST_AUTOCONF_DEPENDENCIES = host-m4 host-libtool

define HOST_AUTOCONF_INSTALL_CMDS
	@mkdir -p $(HOST_DIR)/bin && cd $(HOST_DIR)/bin && \
	printf '#!/bin/sh\n: "$${autom4te=%s/bin/autom4te}"\n' $(HOST_DIR) > autoconf && chmod 755 autoconf
endef

$(eval $(host-autotools-package))
