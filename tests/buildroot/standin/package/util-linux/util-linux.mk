UTIL_LINUX_VERSION_MAJOR = 2.40
UTIL_LINUX_VERSION = $(UTIL_LINUX_VERSION_MAJOR).4
UTIL_LINUX_SOURCE = util-linux-$(UTIL_LINUX_VERSION).tar.xz
UTIL_LINUX_SITE = $(BR2_KERNEL_MIRROR)/linux/utils/util-linux/v$(UTIL_LINUX_VERSION_MAJOR)
UTIL_LINUX_LICENSE = GPL-2.0+, BSD-4-Clause, LGPL-2.1+ (libblkid, libfdisk, libmount), BSD-3-Clause (libuuid), \
	BSD-2-Clause (xxhash), ISC (rfkill), MIT (hardlink, flock)
UTIL_LINUX_LICENSE_FILES = README.licensing $(addprefix Documentation/licenses/COPYING.,\
	BSD-3-Clause BSD-4-Clause-UC GPL-2.0-or-later ISC LGPL-2.1-or-later MIT)
UTIL_LINUX_CPE_ID_VENDOR = kernel
UTIL_LINUX_IGNORE_CVES = CVE-2025-14104 CVE-2026-27456 CVE-2026-53612 CVE-2026-53613 CVE-2026-53614
UTIL_LINUX_AUTORECONF = YES
UTIL_LINUX_INSTALL_STAGING = YES
UTIL_LINUX_DEPENDENCIES = host-pkgconf $(if $(BR2_PACKAGE_LIBXCRYPT),libxcrypt) $(if $(BR2_PACKAGE_ZLIB),zlib) \
	$(if $(BR2_PACKAGE_PCRE2),pcre2)

ifeq ($(BR2_PACKAGE_UTIL_LINUX_UUIDD),y)
define UTIL_LINUX_USERS
	uuidd -1 uuidd -1 * - - - uuidd user
endef
endif

$(eval $(autotools-package))
