# A tarball, all of it root's; the tables are not applied, as nothing of a stand-in needs it.

ROOTFS_TAR_DEPENDENCIES = $(BR2_TAR_HOST_DEPENDENCY)

define ROOTFS_TAR_CMD
	@cd $(TARGET_DIR) && find . \( -path './run/*' -o -path './tmp/*' \) -prune -o \
		! -name $(notdir $(TARGET_DIR_WARNING_FILE)) -print0 | LC_ALL=C sort -z | \
		tar --null --no-recursion --owner=0 --group=0 --numeric-owner -T - -cf $@
endef

$(eval $(rootfs))
