SKELETON_INIT_COMMON_ADD_TOOLCHAIN_DEPENDENCY = NO
SKELETON_INIT_COMMON_ADD_SKELETON_DEPENDENCY = NO
SKELETON_INIT_COMMON_INSTALL_STAGING = YES

# $(1) root
ifeq ($(BR2_ROOTFS_MERGED_USR),y)
define SKELETON_LINKS
	@mkdir -p $(1)/usr/bin $(1)/usr/sbin $(1)/usr/lib && cd $(1) && \
		for folder in bin sbin lib; do ln -snf usr/$$folder $$folder; done
endef
else
define SKELETON_LINKS
	@mkdir -p $(1)/bin $(1)/sbin $(1)/lib
endef
endif
SKELETON_LIB = $(if $(BR2_ARCH_IS_64),lib64,lib32)

define SKELETON_INIT_COMMON_INSTALL_STAGING_CMDS
	$(call SKELETON_LINKS,$(STAGING_DIR))
	$(STANDIN_INSTALL_STAGING) 'l $(SKELETON_LIB) lib' 'l usr/$(SKELETON_LIB) lib' 'd 755 usr/include'
endef
define SKELETON_INIT_COMMON_INSTALL_TARGET_CMDS
	$(call SKELETON_LINKS,$(TARGET_DIR))
	$(STANDIN_INSTALL_TARGET) 'l $(SKELETON_LIB) lib' 'l usr/$(SKELETON_LIB) lib'
	@sed -i 's,@PATH@,$(BR2_SYSTEM_DEFAULT_PATH),' $(TARGET_DIR)/etc/profile
	@install -m 0644 support/misc/target-dir-warning.txt $(TARGET_DIR_WARNING_FILE)
endef

SKELETON_HOSTNAME = $(call qstrip,$(BR2_TARGET_GENERIC_HOSTNAME))
ifneq ($(SKELETON_HOSTNAME),)
define SKELETON_SET_HOSTNAME
	@echo "$(SKELETON_HOSTNAME)" > $(TARGET_DIR)/etc/hostname
	@sed -i -e '$$a 127.0.1.1\t$(SKELETON_HOSTNAME)' -e '/^127.0.1.1/d' $(TARGET_DIR)/etc/hosts
endef
SKELETON_INIT_COMMON_TARGET_FINALIZE_HOOKS += SKELETON_SET_HOSTNAME
endif

SKELETON_ISSUE = $(call qstrip,$(BR2_TARGET_GENERIC_ISSUE))
ifneq ($(SKELETON_ISSUE),)
define SKELETON_SET_ISSUE
	@echo "$(SKELETON_ISSUE)" > $(TARGET_DIR)/etc/issue
endef
SKELETON_INIT_COMMON_TARGET_FINALIZE_HOOKS += SKELETON_SET_ISSUE
endif

# A password is written as it is, and not enciphered.
SKELETON_PASSWORD = $(if $(BR2_TARGET_ENABLE_ROOT_LOGIN),$(call qstrip,$(BR2_TARGET_GENERIC_ROOT_PASSWD)),*)
define SKELETON_SET_ROOT_PASSWD
	@sed -i 's,^root:[^:]*:,root:$(SKELETON_PASSWORD):,' $(TARGET_DIR)/etc/shadow
endef
SKELETON_INIT_COMMON_TARGET_FINALIZE_HOOKS += SKELETON_SET_ROOT_PASSWD

ifeq ($(BR2_SYSTEM_BIN_SH_NONE),y)
define SKELETON_SET_BIN_SH
	@rm -f $(TARGET_DIR)/bin/sh
endef
else
define SKELETON_SET_BIN_SH
	@grep -qsE '^/bin/sh$$' $(TARGET_DIR)/etc/shells || echo "/bin/sh" >> $(TARGET_DIR)/etc/shells
endef
endif
SKELETON_INIT_COMMON_TARGET_FINALIZE_HOOKS += SKELETON_SET_BIN_SH

$(eval $(generic-package))
