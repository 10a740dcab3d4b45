PKGCONF_VERSION = 2.3.0
PKGCONF_SOURCE = pkgconf-$(PKGCONF_VERSION).tar.xz
PKGCONF_SITE = https://distfiles.ariadne.space/pkgconf
PKGCONF_LICENSE = pkgconf license
PKGCONF_LICENSE_FILES = COPYING
PKGCONF_CPE_ID_VENDOR = pkgconf
HOST_PKGCONF_ADD_CCACHE_DEPENDENCY = NO

$(eval $(host-autotools-package))
