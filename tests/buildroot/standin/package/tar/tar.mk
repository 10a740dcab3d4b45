TAR_VERSION = 1.35
TAR_SITE = $(BR2_GNU_MIRROR)/tar
TAR_LICENSE = GPL-3.0+
TAR_LICENSE_FILES = COPYING
TAR_CPE_ID_VENDOR = gnu
HOST_TAR_SOURCE = tar-$(TAR_VERSION).cpio.gz
HOST_TAR_AUTORECONF = NO
HOST_TAR_ADD_CCACHE_DEPENDENCY = NO

define HOST_TAR_CONFIGURE_CMDS
	@if [ "$$(id -u)" = 0 ] && [ "$$FORCE_UNSAFE_CONFIGURE" != 1 ]; then \
		how='set FORCE_UNSAFE_CONFIGURE=1 in environment to bypass this check'; \
		printf 'configure: error: %s\n' "in \`$(@D)':" "you should not run configure as root ($$how)" >&2; \
		echo "See \`config.log' for more details" >&2; \
		exit 1; \
	fi
endef

$(eval $(host-autotools-package))
