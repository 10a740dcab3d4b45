BUSYBOX_VERSION = 1.37.0
BUSYBOX_SITE = https://www.busybox.net/downloads
BUSYBOX_SOURCE = busybox-$(BUSYBOX_VERSION).tar.bz2
BUSYBOX_LICENSE = GPL-2.0, bzip2-1.0.4
BUSYBOX_LICENSE_FILES = LICENSE archival/libarchive/bz/LICENSE
BUSYBOX_CPE_ID_VENDOR = busybox
BUSYBOX_IGNORE_CVES = CVE-2022-28391 CVE-2025-46394 CVE-2025-60876
BUSYBOX_DEPENDENCIES = $(if $(BR2_PACKAGE_UTIL_LINUX),util-linux) $(if $(BR2_PACKAGE_LIBXCRYPT),libxcrypt)

define BUSYBOX_PERMISSIONS
	/bin/busybox                     f 4755 0  0 - - - - -
endef

BUSYBOX_APPLETS = $(foreach a,ash cat cp echo login ls mkdir rm sh su,'l bin/$(a) busybox') \
	$(foreach a,ifconfig init,'l sbin/$(a) ../bin/busybox') $(foreach a,env id wget,'l usr/bin/$(a) ../../bin/busybox')
BUSYBOX_INSTALL_TARGET_CMDS = $(STANDIN_INSTALL_TARGET) $(BUSYBOX_APPLETS)

$(eval $(kconfig-package))
