SKELETON_ADD_TOOLCHAIN_DEPENDENCY = NO
SKELETON_ADD_SKELETON_DEPENDENCY = NO
HOST_SKELETON_ADD_CCACHE_DEPENDENCY = NO

define HOST_SKELETON_INSTALL_CMDS
	@mkdir -p $(HOST_DIR)/lib $(HOST_DIR)/include && ln -snf . $(HOST_DIR)/usr && ln -snf lib $(HOST_DIR)/lib64
endef

$(eval $(virtual-package))
$(eval $(host-generic-package))
